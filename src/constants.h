/* Where the constants of constants.txt come from. What a system has not is 0, by construction:
 * build.rs asks for each name with #ifdef. Enumerations have no #ifdef; they are given here. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <sys/statvfs.h>
#ifdef __has_include
# if __has_include (<sys/mount.h>)
#  include <sys/param.h>
#  include <sys/mount.h>
# endif
# if __has_include (<sys/eventfd.h>)
#  include <sys/eventfd.h>
# endif
# if __has_include (<sys/timerfd.h>)
#  include <sys/timerfd.h>
# endif
#endif
#ifdef __linux__
# include <linux/fs.h>
# include <linux/fiemap.h>
# include <linux/falloc.h>
# include <linux/memfd.h>
# include <linux/stat.h>
# ifndef DT_WHT
#  define DT_WHT 14
# endif
# define P_ALL 0
# define P_PID 1
# define P_PGID 2
# define P_PIDFD 3
# undef FSCONFIG_SET_FLAG
# define FSCONFIG_SET_FLAG 0
# undef FSCONFIG_SET_STRING
# define FSCONFIG_SET_STRING 1
# undef FSCONFIG_SET_BINARY
# define FSCONFIG_SET_BINARY 2
# undef FSCONFIG_SET_PATH
# define FSCONFIG_SET_PATH 3
# undef FSCONFIG_SET_PATH_EMPTY
# define FSCONFIG_SET_PATH_EMPTY 4
# undef FSCONFIG_SET_FD
# define FSCONFIG_SET_FD 5
# undef FSCONFIG_CMD_CREATE
# define FSCONFIG_CMD_CREATE 6
# undef FSCONFIG_CMD_RECONFIGURE
# define FSCONFIG_CMD_RECONFIGURE 7
# if !defined MFD_HUGETLB_2MB && defined MFD_HUGE_2MB
#  define MFD_HUGETLB_2MB MFD_HUGE_2MB
#  define MFD_HUGETLB_1GB MFD_HUGE_1GB
# endif
# if !defined MAP_UNINITIALIZED
#  define MAP_UNINITIALIZED 0x4000000
# endif
#endif

/* posix_fadvise's names without their prefix. */
#ifdef POSIX_FADV_NORMAL
# define FADV_NORMAL POSIX_FADV_NORMAL
# define FADV_SEQUENTIAL POSIX_FADV_SEQUENTIAL
# define FADV_RANDOM POSIX_FADV_RANDOM
# define FADV_NOREUSE POSIX_FADV_NOREUSE
# define FADV_WILLNEED POSIX_FADV_WILLNEED
# define FADV_DONTNEED POSIX_FADV_DONTNEED
#endif

/* Names of our own. */
#define MT_MODIFY 1
#define READDIR_DENTS 0x01
#define READDIR_DIRS_FIRST 0x02
#define READDIR_STAT_ORDER 0x04
#define READDIR_FOUND_UNKNOWN 0x80
#ifndef PAGESIZE
# define PAGESIZE sysconf (_SC_PAGESIZE)
#endif

struct io_aio_constant
{
  const char *name;
  long long value;
};
