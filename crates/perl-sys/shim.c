/* The one C file: everything that needs perl.h.
 *
 * C1  Every function that can run Perl code (magic, overloading, callbacks, DESTROY) or die does
 *     so inside GUARD, which owns a jump environment: die, exit and last end there. It returns
 *     0, or the code that xs_stub passes on with JMPENV_JUMP once no Rust frame is left.
 *     By then perl has already unwound its own stacks to where the jump goes.
 * C2  A plain scalar takes a path beside it that cannot run Perl code and sets no jump
 *     environment.
 * C3  The interpreter is passed as a void pointer, so that threaded and unthreaded perls share
 *     the Rust declarations. An unthreaded perl ignores it.
 * C4  xs_stub is the only frame between perl and Rust. Its last statement returns, croaks or
 *     jumps.
 */
#define PERL_NO_GET_CONTEXT
#include "EXTERN.h"
#include "perl.h"
#include "XSUB.h"
#include "perliol.h"

#include <signal.h>
#include <poll.h>
#include <sys/mman.h>
#include <errno.h>

/* Declarations for perls before 5.36. */
#ifndef G_LIST
# define G_LIST G_ARRAY
#endif
#ifndef SVf_PROTECT
# define SVf_PROTECT 0
#endif
#ifndef isGV_with_GP
# define isGV_with_GP(sv) (SvTYPE (sv) == SVt_PVGV)
#endif

#ifdef MULTIPLICITY
# define THX(p) PerlInterpreter *my_perl = (PerlInterpreter *) (p); PERL_UNUSED_VAR (my_perl)
# define THX_ARG ((void *) my_perl)
#else
# define THX(p) PERL_UNUSED_ARG (p)
# define THX_ARG ((void *) &PL_sv_undef)     /* any value that is not null */
#endif

#define GUARD(...)                                                          \
  STMT_START {                                                              \
    dJMPENV;                                                                \
    int jump;                                                               \
    JMPENV_PUSH (jump);                                                     \
    if (!jump) { __VA_ARGS__ }                                              \
    JMPENV_POP;                                                             \
    if (jump) return jump;                                                  \
  } STMT_END

/* ---- entries ------------------------------------------------------------ */

enum { XS_RETURN, XS_CROAK, XS_JUMP, XS_RETHROW };

struct xs_outcome
{
  int kind;
  int n;          /* XS_RETURN: how many results; XS_JUMP: the code */
  SV *sv;         /* XS_RETURN with n == 1: the result; else message or exception */
};

struct xs_entry
{
  void (*run) (void *perl, SV **args, int ax, int items, const struct xs_entry *entry, struct xs_outcome *out);
  const char *name;
  const char *proto;   /* or NULL */
  const void *data;
};

XS (xs_stub);
XS (xs_stub)
{
  dXSARGS;
  struct xs_outcome out = { XS_RETURN, 0, 0 };
  const struct xs_entry *entry = (const struct xs_entry *) XSANY.any_ptr;

  entry->run (THX_ARG, PL_stack_base + ax, ax, items, entry, &out);

  switch (out.kind)
    {
      case XS_RETURN:
        if (out.n == 1 && out.sv)
          {
            if (!items)
              {
                SPAGAIN; SP = PL_stack_base + ax - 1;
                EXTEND (SP, 1);
              }
            ST (0) = out.sv;
          }
        XSRETURN (out.n);

      case XS_CROAK:
        Perl_croak (aTHX_ "%" SVf, SVfARG (out.sv));

      case XS_RETHROW:
        /* The exception has been through $SIG{__DIE__} when it was thrown; once is enough. */
        ENTER;
        SAVESPTR (PL_diehook);
        PL_diehook = 0;
        croak_sv (out.sv);

      default:
        JMPENV_JUMP (out.n);
    }
}

/* Puts results where the caller of the entry expects them. */
void
xs_put (void *perl, int ax, int n, SV *const *svs)
{
  THX (perl);
  dSP;
  int i;

  SP = PL_stack_base + ax - 1;
  EXTEND (SP, n);
  for (i = 0; i < n; i++)
    PL_stack_base[ax + i] = svs[i];
}

void
xs_define (void *perl, const struct xs_entry *entry)
{
  THX (perl);
  CV *cv = newXS_flags (entry->name, xs_stub, __FILE__, entry->proto, 0);
  CvXSUBANY (cv).any_ptr = (void *) entry;
}

static CV *assign_cv;
XS (xs_assign);

/* The classes whose stashes have been asked for. Each is kept: what a program does to the symbol
 * table then does not leave a wild pointer here. Names are compared by address first: they are
 * constants. */
static struct class { const char *name; HV *stash; } classes[4];

/* A constant sub: perl inlines it. */
void
xs_const (void *perl, const char *stash, const char *name, IV value)
{
  THX (perl);
  newCONSTSUB (gv_stashpv (stash, GV_ADD), name, newSViv (value));
}

static Perl_check_t map_next_check;
static OP *map_check_undef (pTHX_ OP *o);

/* The first XSUB, which the loader calls: checks that this object was made for this perl, then
 * lets Rust define the rest. */
XS (xs_first);
XS (xs_first)
{
  const struct xs_entry *entry = (const struct xs_entry *) XSANY.any_ptr;
#if PERL_VERSION > 21 || (PERL_VERSION == 21 && PERL_SUBVERSION >= 6)
# define HAVE_HANDSHAKE 1
#endif
#ifdef HAVE_HANDSHAKE
  Perl_xs_handshake (HS_KEY (FALSE, FALSE, "", ""), HS_CXT, __FILE__);
#endif
  PERL_UNUSED_VAR (entry);
  wrap_op_checker (OP_UNDEF, map_check_undef, &map_next_check);
  xs_stub (aTHX_ cv);
}

/* Called once by the interpreter that will own the module. */
void
xs_claim (void *perl)
{
  THX (perl);
  assign_cv = newXS (NULL, xs_assign, __FILE__);
  Zero (classes, C_ARRAY_LENGTH (classes), struct class);   /* another interpreter's */
}

/* Called by the exported boot function, whose two arguments are (interpreter, cv) on a
 * threaded perl and (cv, nothing) on others. Cannot die: it defines one XSUB and returns true. */
void
xs_boot (void *a, void *b, const struct xs_entry *entry)
{
#ifdef MULTIPLICITY
  PerlInterpreter *my_perl = (PerlInterpreter *) a;
  PERL_UNUSED_ARG (b);
#else
  PERL_UNUSED_ARG (a);
  PERL_UNUSED_ARG (b);
#endif
  dXSARGS;
  CV *first = newXS_flags (entry->name, xs_first, __FILE__, entry->proto, 0);
  CvXSUBANY (first).any_ptr = (void *) entry;
  PERL_UNUSED_VAR (items);
  PL_stack_base[ax] = &PL_sv_yes;
  PL_stack_sp = PL_stack_base + ax;
}

/* ---- reference counts ---------------------------------------------------- */

void xs_inc (SV *sv) { SvREFCNT_inc_simple_void_NN (sv); }
U32 xs_refcnt (SV *sv) { return SvREFCNT (sv); }

/* Gives a reference away to perl's temporaries: never runs Perl code here and now. */
void
xs_mortal (SV *sv)
{
  dTHX;
  sv_2mortal (sv);
}

/* Drops a reference; the last one may run DESTROY. */
int
xs_dec (void *perl, SV *sv)
{
  THX (perl);
  if (SvREFCNT (sv) > 1)
    {
      SvREFCNT_dec_NN (sv);
      return 0;
    }
  GUARD (SvREFCNT_dec_NN (sv););
  return 0;
}

/* ---- looking at scalars -------------------------------------------------- */

/* Where a scalar has its flags, and what they mean: Rust looks at several of them in every call. */
const struct xs_layout
{
  size_t flags;            /* offset, of 32 bits */
  U32 defined, ref, string, number, integer, magic, readonly, utf8, cow, object;
  U32 type, io, code, array, hash, glob, lvalue;
  U32 glob_bits, glob_body;   /* a glob or an lvalue: flags & glob_bits == glob_body */
} xs_layout = {
  offsetof (SV, sv_flags),
  SVf_IOK | SVf_NOK | SVf_POK | SVf_ROK | SVp_IOK | SVp_NOK | SVp_POK | SVpgv_GP,
  SVf_ROK, SVf_POK, SVf_IOK | SVf_NOK, SVf_IOK, SVs_GMG, SVf_READONLY | SVf_PROTECT, SVf_UTF8, SVf_IsCOW, SVs_OBJECT,
  SVTYPEMASK, SVt_PVIO, SVt_PVCV, SVt_PVAV, SVt_PVHV, SVt_PVGV, SVt_PVLV,
  SVp_POK | SVpgv_GP, SVpgv_GP
};

SV *xs_referent (SV *sv) { return SvRV (sv); }

/* Reads a magical scalar once; afterwards the functions below look at what it gave. The
 * copy keeps a tied scalar from being asked again. */
int
xs_fetch (void *perl, SV *sv, SV **out)
{
  THX (perl);
  *out = sv;
  if (!SvGMAGICAL (sv))
    return 0;
  GUARD (
    SvGETMAGIC (sv);
    *out = sv_newmortal ();
    sv_setsv_nomg (*out, sv);
  );
  return 0;
}

/* A number, by perl's rules: kind 0 signed, 1 unsigned (above the signed range), 2 neither (NaN,
 * infinite, or too large), with the floating point value always there. */
struct xs_number { int kind; IV iv; UV uv; NV nv; };

static void
number (pTHX_ SV *sv, struct xs_number *n)
{
  if (!SvIOK (sv))
    (void) SvIV_nomg (sv);
  if (SvIOK (sv))
    {
      n->kind = SvIsUV (sv) && SvUVX (sv) > (UV) IV_MAX;
      n->iv = SvIVX (sv);
      n->uv = SvUVX (sv);
      n->nv = n->kind ? (NV) n->uv : (NV) n->iv;
      return;
    }
  n->nv = SvNV_nomg (sv);
  n->iv = (IV) 0;
  n->uv = 0;
  if (n->nv >= (NV) IV_MIN && n->nv < -(NV) IV_MIN)
    {
      n->kind = 0;
      n->iv = (IV) n->nv;
      n->uv = (UV) n->iv;
    }
  else if (n->nv > 0 && n->nv < -(NV) IV_MIN * 2)
    {
      n->kind = 1;
      n->uv = (UV) n->nv;
      n->iv = (IV) n->uv;
    }
  else
    n->kind = 2;
}

int
xs_number (void *perl, SV *sv, struct xs_number *n)
{
  THX (perl);
  if (SvIOK (sv) && !SvGMAGICAL (sv))
    {
      number (aTHX_ sv, n);
      return 0;
    }
  GUARD (
    if (SvROK (sv))
      sv = sv_2mortal (newSVnv (SvNV_nomg (sv)));
    number (aTHX_ sv, n);
  );
  return 0;
}

/* The integer that a scalar has, one above the signed range wrapped. */
IV xs_ivx (SV *sv) { return SvIVX (sv); }

int
xs_nv (void *perl, SV *sv, NV *nv)
{
  THX (perl);
  if (SvNOK (sv) && !SvGMAGICAL (sv))
    {
      *nv = SvNVX (sv);
      return 0;
    }
  GUARD (*nv = SvNV_nomg (sv););
  return 0;
}

int xs_looks_like_number (SV *sv)
{
  dTHX;
  return looks_like_number (sv) != 0;
}

int
xs_true (void *perl, SV *sv, int *out)
{
  THX (perl);
  GUARD (*out = SvTRUE_nomg (sv););
  return 0;
}

/* The octets of a scalar that has been fetched, undef being none. -1: it has a character above
 * 255. The bytes live as long as the scalar or as perl's temporaries. */
int
xs_bytes (void *perl, SV *sv, const char **ptr, size_t *len)
{
  THX (perl);
  STRLEN l;
  if (SvPOK (sv) && !SvUTF8 (sv) && !SvROK (sv))
    {
      *ptr = SvPVX_const (sv);
      *len = SvCUR (sv);
      return 0;
    }
  if (!SvOK (sv) && !isGV_with_GP (sv))
    {
      *ptr = "";
      *len = 0;
      return 0;
    }
  GUARD (
    const char *p = 0;
    if (!SvROK (sv))
      p = SvPV_nomg_const (sv, l);
    if (SvUTF8 (sv) || SvROK (sv))
      {
        /* An object is asked once: it may be gone by then. */
        SV *text = sv_newmortal ();
        sv_copypv_nomg (text, sv);
        if (!sv_utf8_downgrade (text, TRUE))
          l = (STRLEN) -1;
        else
          p = SvPV_nomg_const (text, l);
      }
    *ptr = p;
    *len = l;
  );
  return *len == (size_t) -1 ? -1 : 0;
}

/* A message that begins with a value: "VALUE: text". */
int
xs_message (void *perl, SV *value, const char *text, size_t len, SV **out)
{
  THX (perl);
  GUARD (
    SV *msg = sv_newmortal ();
    if (value)
      {
        if (SvOK (value) || isGV_with_GP (value))
          sv_copypv_nomg (msg, value);
        else
          sv_setpvs (msg, "");
        sv_catpvs (msg, ": ");
      }
    else
      sv_setpvs (msg, "");
    sv_catpvn (msg, text, len);
    *out = msg;
  );
  return 0;
}

/* ---- making scalars ------------------------------------------------------- */

SV *xs_undef (void) { dTHX; return &PL_sv_undef; }
SV *xs_new_undef (void *perl) { THX (perl); return newSV (0); }
SV *xs_new_iv (void *perl, IV iv) { THX (perl); return newSViv (iv); }
SV *xs_new_uv (void *perl, UV uv) { THX (perl); return newSVuv (uv); }
SV *xs_new_nv (void *perl, NV nv) { THX (perl); return newSVnv (nv); }
SV *xs_new_bytes (void *perl, const char *ptr, size_t len) { THX (perl); return newSVpvn (ptr, len); }
SV *xs_new_ref (void *perl, SV *sv) { THX (perl); return newRV_inc (sv); }
SV *xs_new_ref_noinc (void *perl, SV *sv) { THX (perl); return newRV_noinc (sv); }
SV *xs_yes_no (int yes) { dTHX; return yes ? &PL_sv_yes : &PL_sv_no; }

/* Of a scalar that has been fetched. Shares the buffer as perl's own assignment does. */
SV *
xs_new_copy (void *perl, SV *sv)
{
  THX (perl);
  SV *copy = newSV (0);
  sv_setsv_flags (copy, sv, SV_COW_SHARED_HASH_KEYS | SV_COW_OTHER_PVS | SV_NOSTEAL);
  return copy;
}

SV *
xs_new_av (void *perl, size_t room)
{
  THX (perl);
  AV *av = newAV ();
  if (room)
    av_extend (av, (SSize_t) room - 1);
  return (SV *) av;
}

/* Takes over the reference. */
void xs_av_push (void *perl, SV *av, SV *sv) { THX (perl); av_push ((AV *) av, sv); }
size_t xs_av_len (void *perl, SV *av) { THX (perl); return (size_t) (av_len ((AV *) av) + 1); }

/* Element of an array, NULL where there is none. Tied arrays run Perl code. */
int
xs_av_get (void *perl, SV *av, size_t i, SV **out)
{
  THX (perl);
  GUARD (
    SV **p = av_fetch ((AV *) av, (SSize_t) i, 0);
    *out = p ? *p : 0;
  );
  return 0;
}

int
xs_av_count (void *perl, SV *av, size_t *n)
{
  THX (perl);
  if (!SvRMAGICAL (av))
    {
      *n = (size_t) (AvFILLp ((AV *) av) + 1);
      return 0;
    }
  GUARD (*n = (size_t) (av_len ((AV *) av) + 1););
  return 0;
}

/* One string for many names: adds `n` scalars at once. Each span is offset, length. */
void
xs_av_push_spans (void *perl, SV *av, const char *base, const size_t (*spans)[2], size_t n)
{
  THX (perl);
  SSize_t fill = AvFILLp ((AV *) av);
  size_t i;
  av_extend ((AV *) av, fill + (SSize_t) n);
  for (i = 0; i < n; i++)
    AvARRAY ((AV *) av)[++fill] = newSVpvn (base + spans[i][0], spans[i][1]);
  AvFILLp ((AV *) av) = fill;
}

SV *xs_new_hv (void *perl) { THX (perl); return (SV *) newHV (); }

void
xs_hv_store (void *perl, SV *hv, const char *key, size_t len, SV *sv)
{
  THX (perl);
  if (!hv_store ((HV *) hv, key, (I32) len, sv, 0))
    SvREFCNT_dec (sv);
}

int
xs_hv_get (void *perl, SV *hv, const char *key, size_t len, SV **out)
{
  THX (perl);
  GUARD (
    SV **p = hv_fetch ((HV *) hv, key, (I32) len, 0);
    *out = 0;
    if (p)
      {
        SvGETMAGIC (*p);
        *out = *p;
      }
  );
  return 0;
}

/* A number for a callback's argument, in a scalar that is used again if nobody kept it and
 * nothing but a plain number is in it. `slot` owns one reference. */
SV *
xs_reuse_iv (void *perl, SV **slot, IV iv)
{
  THX (perl);
  SV *sv = *slot;
  if (sv && SvREFCNT (sv) == 1 && (SvFLAGS (sv) & ~(SVf_IOK | SVp_IOK | SVf_READONLY)) == SVt_IV)
    {
      SvIV_set (sv, iv);
      return sv;
    }
  if (sv)
    sv_2mortal (sv);
  sv = *slot = newSViv (iv);
  SvREADONLY_on (sv);
  return sv;
}

/* ---- callbacks ------------------------------------------------------------ */

/* A code reference out of whatever stands for one. -1: it is no such thing. The caller owns a
 * reference to *out. */
int
xs_code (void *perl, SV *sv, SV **out)
{
  THX (perl);
  CV *cv = 0;
  if (SvROK (sv) && SvTYPE (SvRV (sv)) == SVt_PVCV && !SvOBJECT (SvRV (sv)))
    cv = (CV *) SvRV (sv);
  else
    GUARD (
      HV *stash;
      GV *gv;
      cv = sv_2cv (sv, &stash, &gv, 0);
    );
  if (!cv)
    return -1;
  *out = SvREFCNT_inc_simple_NN ((SV *) cv);
  return 0;
}

/* Temporaries made while results are delivered go after each delivery, not with the statement
 * that polls. In pairs, unless a jump comes between: perl undoes the first itself then. */
void
xs_enter_tmps (void *perl)
{
  THX (perl);
  ENTER;
  SAVETMPS;
}

int
xs_free_tmps (void *perl)
{
  THX (perl);
  if (PL_tmps_ix > PL_tmps_floor)
    GUARD (FREETMPS;);
  return 0;
}

void
xs_leave_tmps (void *perl)
{
  THX (perl);
  LEAVE;
}

/* Calls cv under its own jump environment and stack info, so that neither die, exit nor last can
 * leave through a Rust frame. errno becomes `error` as the last thing before. The caller keeps
 * its references to the arguments. Returns 0; -1 if it died, with the exception in *thrown (a
 * reference of the caller's); or the code to resume. */
int
xs_call (void *perl, SV *cv, SV *const *args, int n, int error, SV **thrown)
{
  THX (perl);
  int died = 0;
  GUARD (
    dSP;
    int i;
    PUSHSTACKi (PERLSI_UNKNOWN);
    SPAGAIN;
    ENTER;
    SAVETMPS;
    PUSHMARK (SP);
    EXTEND (SP, n);
    for (i = 0; i < n; i++)
      PUSHs (args[i]);
    PUTBACK;
    errno = error;
    call_sv (cv, G_VOID | G_EVAL);
    {
      /* Before anything else goes: a destructor may use eval. */
      SV *err = ERRSV;
      died = SvROK (err) || (SvPOK (err) ? SvCUR (err) != 0 : SvOK (err));
      if (died)
        {
          *thrown = newSVsv (err);
          CLEAR_ERRSV ();
        }
    }
    FREETMPS;
    LEAVE;
    POPSTACK;
  );
  return died ? -1 : 0;
}

/* "(in cleanup) ..." as perl says it for a DESTROY that dies. */
int
xs_warn_cleanup (void *perl, SV *error)
{
  THX (perl);
  GUARD (
    Perl_ck_warner (aTHX_ packWARN (WARN_MISC), "\t(in cleanup) %" SVf, SVfARG (error));
  );
  return 0;
}

int xs_errno (void) { return errno; }
void xs_set_errno (int error) { errno = error; }

/* ---- objects -------------------------------------------------------------- */

/* A key tied to a scalar by magic that copies of the scalar do not share: `local` does not take
 * it along, and in a cloned interpreter it says 0 (nothing). */
#ifdef USE_ITHREADS
static int
key_dup (pTHX_ MAGIC *mg, CLONE_PARAMS *params)
{
  PERL_UNUSED_ARG (params);
  mg->mg_ptr = 0;
  return 0;
}
#endif

static int
key_local (pTHX_ SV *nsv, MAGIC *mg)
{
  PERL_UNUSED_ARG (nsv);
  PERL_UNUSED_ARG (mg);
  return 0;
}

static MGVTBL key_vtbl = {
  0, 0, 0, 0, 0, 0,
#ifdef USE_ITHREADS
  key_dup,
#else
  0,
#endif
  key_local
};

static HV *
class_stash (pTHX_ const char *name, I32 flags)
{
  struct class *class;
  HV *stash;
  for (class = classes; class < classes + C_ARRAY_LENGTH (classes) && class->name; class++)
    if (class->name == name && HvNAME_get (class->stash))
      return class->stash;
  stash = gv_stashpv (name, flags);
  if (stash && class < classes + C_ARRAY_LENGTH (classes))
    {
      class->name = name;
      class->stash = (HV *) SvREFCNT_inc_simple_NN ((SV *) stash);
    }
  return stash;
}

/* Blesses what `rv` refers to and ties `key` to it. 0 is no key. */
int
xs_bless_key (void *perl, SV *rv, const char *class, UV key)
{
  THX (perl);
  MAGIC *mg = sv_magicext (SvRV (rv), 0, PERL_MAGIC_ext, &key_vtbl, (const char *) 0, 0);
  mg->mg_ptr = INT2PTR (char *, key);
  mg->mg_flags |= MGf_LOCAL;
#ifdef USE_ITHREADS
  mg->mg_flags |= MGf_DUP;
#endif
  GUARD (sv_bless (rv, class_stash (aTHX_ class, GV_ADD)););
  return 0;
}

static MAGIC *
key_magic (pTHX_ SV *body)
{
  if (SvTYPE (body) < SVt_PVMG || !SvMAGIC (body))
    return 0;
  return mg_findext (body, PERL_MAGIC_ext, &key_vtbl);
}

/* Has it ever been tied to a key? Then *key is it, or 0 after xs_cut_key. */
int
xs_key (void *perl, SV *body, UV *key)
{
  THX (perl);
  MAGIC *mg = key_magic (aTHX_ body);
  if (!mg)
    return 0;
  *key = PTR2UV (mg->mg_ptr);
  return 1;
}

void
xs_cut_key (void *perl, SV *body)
{
  THX (perl);
  MAGIC *mg = key_magic (aTHX_ body);
  if (mg)
    mg->mg_ptr = 0;
}

int
xs_derived_from (void *perl, SV *sv, const char *class, int *out)
{
  THX (perl);
  GUARD (*out = sv_derived_from (sv, class););
  return 0;
}

/* Is the referent's class exactly this one? */
int
xs_is_class (void *perl, SV *body, const char *class)
{
  THX (perl);
  struct class *known;
  if (!SvOBJECT (body))
    return 0;
  for (known = classes; known < classes + C_ARRAY_LENGTH (classes) && known->name; known++)
    if (known->name == class && known->stash == SvSTASH (body))
      return 1;
  return SvSTASH (body) == class_stash (aTHX_ class, 0);
}

/* ---- handles -------------------------------------------------------------- */

/* Only layers of perl's own, which answer without running Perl code? */
static int
has_plain_layers (PerlIO *fp)
{
  const PerlIOl *layer;
  for (layer = *fp; layer; layer = layer->next)
    if (layer->tab != &PerlIO_perlio && layer->tab != &PerlIO_unix && layer->tab != &PerlIO_crlf)
      return 0;
  return 1;
}

/* The descriptor of a handle, by the side that is asked for. Returns 0 with *fd set (-1: none)
 * and *io the IO body; -1: not a handle at all; or a jump code. `refuse_io`: a bare IO object
 * does not count. `plain`: -2 if it takes Perl code to answer. */
int
xs_handle_fd (void *perl, SV *sv, int output, int refuse_io, int plain, int *fd, SV **io)
{
  THX (perl);
  IO *body = 0;
  *fd = -1;
  *io = 0;
  if (SvROK (sv))
    sv = SvRV (sv);
  if (isGV_with_GP (sv))
    {
      body = GvIO ((GV *) sv);
      if (!body)
        GUARD (body = sv_2io (sv););
    }
  else if (SvTYPE (sv) == SVt_PVIO && !refuse_io)
    body = (IO *) sv;
  else
    return -1;

  *io = (SV *) body;
  {
    PerlIO *fp = output ? IoOFP (body) : IoIFP (body);
    if (!fp)
      return 0;
    if (has_plain_layers (fp))
      *fd = PerlIO_fileno (fp);
    else if (plain)
      return -2;
    else
      {
        sv_2mortal (SvREFCNT_inc_simple_NN ((SV *) body));
        GUARD (*fd = PerlIO_fileno (fp););
      }
  }
  return 0;
}

/* A glob, in no package, whose handle is `fd`. mode: 0 read, 1 write, 2 both. The descriptor
 * belongs to the handle afterwards, also on failure (then *out is 0 and errno set). Perl keeps
 * descriptors above $^F from being inherited by exec, and so does this. */
int
xs_new_handle (void *perl, int fd, int mode, SV **out)
{
  THX (perl);
  *out = 0;
  GUARD (
    static const char *const modes[] = { "r", "w", "r+" };
    static const char types[] = { IoTYPE_RDONLY, IoTYPE_WRONLY, IoTYPE_RDWR };
    PerlIO *fp = PerlIO_fdopen (fd, modes[mode]);
    if (fp)
      {
        char name[40];
        GV *gv = (GV *) newSV (0);
        IO *io;
        int len = my_snprintf (name, sizeof name, "fd#%d", fd);
        gv_init_pvn (gv, gv_stashpvs ("IO::AIO", GV_ADD), name, len, 0);
        io = GvIOn (gv);
        IoIFP (io) = fp;
        if (mode)
          IoOFP (io) = fp;
        IoTYPE (io) = types[mode];
        /* A glob that is a value, not a symbol: it can be copied and stored. */
        SvFAKE_on ((SV *) gv);
        *out = (SV *) gv;
      }
  );
  return 0;
}

int xs_maxsysfd (void *perl) { THX (perl); return (int) PL_maxsysfd; }

/* ---- the stat cache ------------------------------------------------------- */

size_t xs_stat_size (void) { return sizeof (Stat_t); }

/* `st` NULL: the last stat failed. */
void
xs_set_stat (void *perl, const void *st, int lstat)
{
  THX (perl);
  PL_laststype = lstat ? OP_LSTAT : OP_STAT;
  PL_laststatval = st ? 0 : -1;
  PL_statgv = 0;
  if (st)
    Copy (st, &PL_statcache, 1, Stat_t);
}

const void *xs_get_stat (void *perl) { THX (perl); return &PL_statcache; }

/* ---- mapped memory ---------------------------------------------------------- */

/* A scalar whose string is memory that was mapped. It has no capacity (SvLEN 0): perl neither
 * frees such a buffer nor moves it, but copies the string where it needs room.
 *
 * M1  The magic owns one reference to the mapping. Scalars of cloned interpreters share it; the
 *     last one unmaps.
 * M2  The string of a mapped scalar is exactly the mapping. Where it is not, the user has assigned
 *     something: the scalar keeps that, and loses the mapping.
 * M3  While a request uses the memory (xs_pin), the scalar keeps the mapping whatever happens.
 */
struct mapping
{
  char *addr;
  size_t len;
  int readonly;   /* the scalars are so for its sake */
  int refs;       /* under perl's lock for such counts */
};

static int
map_has_buffer (SV *sv, const struct mapping *map)
{
  return SvTYPE (sv) >= SVt_PV && !SvROK (sv) && !isGV_with_GP (sv) && SvPVX (sv) == map->addr;
}

static int
map_free (pTHX_ SV *sv, MAGIC *mg)
{
  struct mapping *map = (struct mapping *) mg->mg_ptr;
  int refs;

  if (!map)
    return 0;
  mg->mg_ptr = 0;
  if (map_has_buffer (sv, map))
    {
      SvPV_set (sv, 0);
      SvCUR_set (sv, 0);
      SvLEN_set (sv, 0);
      if (SvPOK (sv))
        (void) SvOK_off (sv);
    }
  if (map->readonly)
    SvREADONLY_off (sv);
  OP_REFCNT_LOCK;
  refs = --map->refs;
  OP_REFCNT_UNLOCK;
  if (!refs)
    {
      int error = errno;
      munmap (map->addr, map->len);
      free (map);
      errno = error;
    }
  return 0;
}

/* Called after every change of the scalar. */
static int map_changed (pTHX_ SV *sv, MAGIC *mg);

/* `local` gets a scalar without mapping, to which perl passes read-only on. */
static int
map_local (pTHX_ SV *nsv, MAGIC *mg)
{
  PERL_UNUSED_ARG (nsv);
  PERL_UNUSED_ARG (mg);
  return 0;
}

#ifdef USE_ITHREADS
static int
map_dup (pTHX_ MAGIC *mg, CLONE_PARAMS *params)
{
  struct mapping *map = (struct mapping *) mg->mg_ptr;
  PERL_UNUSED_ARG (params);
  mg->mg_private = 0;
  if (map)
    {
      OP_REFCNT_LOCK;
      ++map->refs;
      OP_REFCNT_UNLOCK;
    }
  return 0;
}
#endif

static MGVTBL map_vtbl = {
  0, map_changed, 0, 0, map_free, 0,
#ifdef USE_ITHREADS
  map_dup,
#else
  0,
#endif
  map_local
};

static int
map_changed (pTHX_ SV *sv, MAGIC *mg)
{
  struct mapping *map = (struct mapping *) mg->mg_ptr;

  if (!map || mg->mg_private)
    return 0;
  if (map_has_buffer (sv, map) && SvPOK (sv))
    {
      STRLEN len = SvCUR (sv);
      char *copy;
      if (len == map->len)
        return 0;
      /* Shortened in place. */
      if (len > map->len)
        len = map->len;
      Newx (copy, len + 1, char);
      Copy (map->addr, copy, len, char);
      copy[len] = 0;
      SvPV_set (sv, copy);
      SvCUR_set (sv, len);
      SvLEN_set (sv, len + 1);
    }
  sv_unmagicext (sv, PERL_MAGIC_ext, &map_vtbl);
  return 0;
}

static MAGIC *
map_magic (pTHX_ SV *sv)
{
  if (SvTYPE (sv) < SVt_PVMG || SvTYPE (sv) > SVt_PVLV || !SvMAGIC (sv))
    return 0;
  return mg_findext (sv, PERL_MAGIC_ext, &map_vtbl);
}

/* perl refuses to undefine what is read-only. A mapping for reading is, so that nothing writes
 * to its memory; but undefining writes nothing, and is how mappings are given up. So `undef` is
 * told apart from all other changes here, in programs compiled after the module was loaded. */
static OP *
map_undef (pTHX)
{
  SV *sv = 0;
  if (PL_op->op_private & OPpTARGET_MY)
    sv = PAD_SVl (PL_op->op_targ);
  else if (PL_op->op_private)
    sv = *PL_stack_sp;
#ifdef OPpUNDEF_KEEP_PV
  /* `$scalar = undef` is an assignment. */
  if (PL_op->op_private & OPpUNDEF_KEEP_PV)
    sv = 0;
#endif
  if (sv && SvREADONLY (sv))
    {
      MAGIC *mg = map_magic (aTHX_ sv);
      if (mg && !mg->mg_private && ((struct mapping *) mg->mg_ptr)->readonly)
        SvREADONLY_off (sv);
    }
  return PL_ppaddr[OP_UNDEF] (aTHX);
}

static OP *
map_check_undef (pTHX_ OP *o)
{
  o = map_next_check (aTHX_ o);
  if (o->op_type == OP_UNDEF && o->op_ppaddr == PL_ppaddr[OP_UNDEF])
    o->op_ppaddr = map_undef;
  return o;
}

/* The scalar itself, where an element that may not exist yet is passed to a sub. `create`: the
 * caller is going to map memory to it, so that the element has to exist, and dies if it cannot be
 * changed. */
int
xs_map_scalar (void *perl, SV *sv, int create, SV **out)
{
  THX (perl);
  if (SvTYPE (sv) == SVt_PVLV && LvTYPE (sv) == 'y')
    GUARD (
      SvGETMAGIC (sv);
      if (create && LvTARGLEN (sv))
        SvSETMAGIC (sv);
      if (!LvTARGLEN (sv) && LvTARG (sv))
        sv = LvTARG (sv);
    );
  *out = sv;
  if (!create)
    return 0;
  if (SvTYPE (sv) > SVt_PVLV || SvTYPE (sv) == SVt_REGEXP || (isGV_with_GP (sv) && !SvFAKE (sv))
      || (SvREADONLY (sv) && !map_magic (aTHX_ sv)))
    GUARD (Perl_croak_no_modify (););
  return 0;
}

enum { MAP_HERE = 1, MAP_IN_USE = 2, MAP_SHARED_WITH_CLONE = 4 };

/* What is mapped to a scalar: 0 if nothing. */
int
xs_map_find (void *perl, SV *sv, char **addr, size_t *len)
{
  THX (perl);
  MAGIC *mg = map_magic (aTHX_ sv);
  struct mapping *map;
  int found = MAP_HERE;

  if (mg)
    {
      map_changed (aTHX_ sv, mg);
      mg = map_magic (aTHX_ sv);
    }
  if (!mg || !mg->mg_ptr)
    return 0;
  map = (struct mapping *) mg->mg_ptr;
  *addr = map->addr;
  *len = map->len;
  if (mg->mg_private)
    found |= MAP_IN_USE;
  OP_REFCNT_LOCK;
  if (map->refs > 1)
    found |= MAP_SHARED_WITH_CLONE;
  OP_REFCNT_UNLOCK;
  return found;
}

/* Unmaps: the scalar is undefined then. Not for one in use. */
void
xs_map_drop (void *perl, SV *sv)
{
  THX (perl);
  if (map_magic (aTHX_ sv))
    sv_unmagicext (sv, PERL_MAGIC_ext, &map_vtbl);
}

/* Makes mapped memory the value of a scalar that xs_map_scalar gave. -1: it is in use by now, or
 * there is no memory. The mapping is the caller's again unless 0 is returned. */
int
xs_map_set (void *perl, SV *sv, char *addr, size_t len, int readonly)
{
  THX (perl);
  struct mapping *map;
  MAGIC *mg;

  /* What goes may have a destructor, and that may do anything to this scalar. */
  if (SvTHINKFIRST (sv))
    GUARD (sv_force_normal_flags (sv, SV_COW_DROP_PV););
  mg = map_magic (aTHX_ sv);
  if ((mg && mg->mg_private) || (SvREADONLY (sv) && !mg) || SvROK (sv) || SvIsCOW (sv) || isGV_with_GP (sv))
    return -1;
  xs_map_drop (perl, sv);
  map = (struct mapping *) malloc (sizeof *map);
  if (!map)
    return -1;
  map->addr = addr;
  map->len = len;
  map->readonly = readonly;
  map->refs = 1;

  SvUPGRADE (sv, SVt_PVMG);
  SvPV_free (sv);
  SvPV_set (sv, addr);
  SvCUR_set (sv, len);
  SvLEN_set (sv, 0);
  SvPOK_only (sv);
  if (SvMAGICAL (sv))
    sv_unmagic (sv, PERL_MAGIC_utf8);   /* what was known of the old string */
  mg = sv_magicext (sv, 0, PERL_MAGIC_ext, &map_vtbl, 0, 0);
  mg->mg_ptr = (char *) map;
  mg->mg_private = 0;
  mg->mg_flags |= MGf_LOCAL;
#ifdef USE_ITHREADS
  mg->mg_flags |= MGf_DUP;
#endif
  if (readonly)
    SvREADONLY_on (sv);
  return 0;
}

/* The memory of a mapped scalar is somewhere else now. */
void
xs_map_move (void *perl, SV *sv, char *addr, size_t len)
{
  THX (perl);
  MAGIC *mg = map_magic (aTHX_ sv);
  if (mg && mg->mg_ptr)
    {
      struct mapping *map = (struct mapping *) mg->mg_ptr;
      map->addr = addr;
      map->len = len;
      SvPV_set (sv, addr);
      SvCUR_set (sv, len);
    }
}

/* Begins and ends the use of a scalar's memory by requests (M3). */
static void
map_use (SV *sv, int begin)
{
  dTHX;
  MAGIC *mg = map_magic (aTHX_ sv);
  if (mg)
    mg->mg_private = (U16) begin;
}

/* ---- buffers that a request uses in place ---------------------------------- */

/* Makes sv a plain octet string of its own with room for `need` octets (and a NUL), without
 * changing what it says. Returns 0, a jump code (read-only, ...), -1: it cannot grow, -2: no
 * memory. */
int
xs_own_buffer (void *perl, SV *sv, size_t need, char **ptr)
{
  THX (perl);
  int cannot = 0;
  if (SvPOK (sv) && SvLEN (sv) > need && !SvTHINKFIRST (sv) && !SvUTF8 (sv) && !SvOOK (sv)
      && !SvGMAGICAL (sv))
    {
      SvPOK_only (sv);
      *ptr = SvPVX (sv);
      return 0;
    }
  GUARD (
    if (SvREADONLY (sv))
      Perl_croak_no_modify ();
    if (SvPOK (sv) && !SvLEN (sv) && !SvIsCOW (sv) && !SvTHINKFIRST (sv))
      cannot = need > SvCUR (sv);          /* memory that is not perl's to enlarge */
    else
      {
        STRLEN len;
        if (!SvOK (sv) && !isGV_with_GP (sv))
          sv_setpvs (sv, "");
        SvPV_force_nomg (sv, len);
        if (SvUTF8 (sv))
          sv_utf8_downgrade (sv, FALSE);
        SvOOK_off (sv);
        if (need >= (size_t) SSize_t_MAX)
          cannot = 2;
        else if (need < 65536)
          SvGROW (sv, need + 1);
        else if (need + 1 > SvLEN (sv))
          {
            /* perl ends the program where memory is short; a request only fails. */
#if defined (MYMALLOC) || defined (PERL_TRACK_MEMPOOL)
            void *probe = malloc (need + 1);
            if (!probe)
              cannot = 2;
            else
              {
                free (probe);
                SvGROW (sv, need + 1);
              }
#else
            char *grown = (char *) realloc (SvLEN (sv) ? SvPVX (sv) : 0, need + 1);
            if (!grown)
              cannot = 2;
            else
              {
                SvPV_set (sv, grown);
                SvLEN_set (sv, need + 1);
              }
#endif
          }
        SvPOK_only (sv);
      }
    *ptr = SvPVX (sv);
  );
  return -cannot;
}

/* A plain string's own buffer, with nothing chopped off its beginning. */
char *
xs_plain_buffer (void *perl, SV *sv)
{
  THX (perl);
  SvOOK_off (sv);
  return SvPVX (sv);
}

/* Takes the buffer out of perl's hands: with a length of 0 perl never frees or moves it, whatever
 * happens to the scalar meanwhile (utf8::upgrade gives even a read-only one a new buffer). */
size_t
xs_pin (SV *sv)
{
  size_t cap = SvLEN (sv);
  SvLEN_set (sv, 0);
  map_use (sv, 1);
  return cap;
}

/* Is this still the scalar's string? It may have become a reference or a glob meanwhile. */
static int
has_buffer (SV *sv, const char *ptr)
{
  return SvTYPE (sv) >= SVt_PV && SvTYPE (sv) <= SVt_PVLV
         && !SvROK (sv) && !isGV_with_GP (sv) && SvTYPE (sv) != SVt_REGEXP
         && SvPVX (sv) == ptr;
}

/* Gives it back. Returns true if the scalar still had it; otherwise the buffer is freed here. */
int
xs_unpin (SV *sv, char *ptr, size_t cap)
{
  map_use (sv, 0);
  if (has_buffer (sv, ptr))
    {
      if (cap && !SvLEN (sv))
        SvLEN_set (sv, cap);
      return 1;
    }
  return 0;
}

/* All that at once for a plain string which is perl's and nobody else's, has an octet at `from` or
 * ends there, and has room for `need` octets and a NUL. Returns the capacity; 0: it is not as simple. */
size_t
xs_pin_plain (SV *sv, size_t from, size_t need, char **ptr)
{
  size_t cap;
  if (!SvPOK (sv) || SvTHINKFIRST (sv) || SvUTF8 (sv) || SvOOK (sv) || SvMAGICAL (sv) || SvCUR (sv) < from)
    return 0;
  cap = SvLEN (sv);
  if (cap <= need)
    return 0;
  SvPOK_only (sv);
  SvLEN_set (sv, 0);
  *ptr = SvPVX (sv);
  return cap;
}

/* Gives it back with `len` octets as the value, not read-only any more. False, and nothing has
 * happened: that takes more. */
int
xs_unpin_filled (SV *sv, char *ptr, size_t cap, size_t len)
{
  if (!has_buffer (sv, ptr) || SvLEN (sv) || SvMAGICAL (sv))
    return 0;
  SvREADONLY_off (sv);
  SvLEN_set (sv, cap);
  SvCUR_set (sv, len);
  ptr[len] = 0;
  SvPOK_only (sv);
  return 1;
}

/* A string whose memory is not perl's to free: pinned, mapped, or shared. */
int xs_lacks_capacity (SV *sv) { return SvPOK (sv) && !SvLEN (sv); }

/* While an interpreter is cloned from another: its copy of a scalar of that one, or 0. */
SV *
xs_copy_in_clone (void *perl, SV *sv)
{
  THX (perl);
#ifdef USE_ITHREADS
  return PL_ptr_table ? (SV *) ptr_table_fetch (PL_ptr_table, sv) : 0;
#else
  PERL_UNUSED_ARG (sv);
  return 0;
#endif
}

/* While an interpreter is cloned: a length makes perl copy the buffer. */
void
xs_lend (SV *sv, char *ptr, size_t cap)
{
  if (has_buffer (sv, ptr))
    SvLEN_set (sv, cap);
}

void xs_free_buffer (char *ptr) { dTHX; Safefree (ptr); }

void xs_set_readonly (SV *sv, int on) { if (on) SvREADONLY_on (sv); else SvREADONLY_off (sv); }

/* What has to be stored while a result is delivered is stored by an XSUB of its own, so that a
 * STORE that dies does so under G_EVAL and not under whatever eval surrounds the poll. */
XS (xs_assign)
{
  dXSARGS;
  if (items == 2)
    sv_setsv_flags (ST (0), ST (1), 0);
  SvSETMAGIC (ST (0));
  XSRETURN (0);
}

static int
assign (void *perl, SV *sv, SV *value, SV **thrown)
{
  SV *args[2];
  args[0] = sv;
  args[1] = value;
  return xs_call (perl, (SV *) assign_cv, args, value ? 2 : 1, errno, thrown);
}

/* Ends a read in place: the first `len` octets are the value. own: the buffer is one that perl
 * allocated; mapped memory keeps its length, and nothing may be written behind it. */
int
xs_finish_buffer (void *perl, SV *sv, size_t len, int own, SV **thrown)
{
  THX (perl);
  if (own)
    {
      SvCUR_set (sv, len);
      *SvEND (sv) = 0;
    }
  SvPOK_only (sv);
  return SvSMAGICAL (sv) ? assign (perl, sv, 0, thrown) : 0;
}

/* Assigns memory from malloc, of which `len` octets are the value and cap > len. The memory is
 * perl's afterwards, whatever is returned; that is what xs_call returns. */
int
xs_set_heap (void *perl, SV *sv, char *ptr, size_t len, size_t cap, SV **thrown)
{
  THX (perl);
  SV *temp;
#if defined (MYMALLOC) || defined (PERL_TRACK_MEMPOOL)
  temp = sv_2mortal (newSVpvn (ptr, len));
  free (ptr);
  PERL_UNUSED_VAR (cap);
#else
  temp = sv_newmortal ();
  sv_upgrade (temp, SVt_PV);
  ptr[len] = 0;
  SvPV_set (temp, ptr);
  SvLEN_set (temp, cap);
  SvCUR_set (temp, len);
  SvPOK_only (temp);
#endif
  if (SvTYPE (sv) <= SVt_PVNV && !SvTHINKFIRST (sv))
    {
      /* A plain scalar gives its buffer for the new one. */
      char *old;
      STRLEN old_len;
      SvUPGRADE (sv, SVt_PV);
      SvOOK_off (sv);
      old = SvPVX (sv);
      old_len = SvLEN (sv);
      if (old_len || !old)
        {
          SvPV_set (sv, SvPVX (temp));
          SvLEN_set (sv, SvLEN (temp));
          SvCUR_set (sv, len);
          SvPOK_only (sv);
          SvPV_set (temp, 0);
          SvLEN_set (temp, 0);
          (void) SvOK_off (temp);
          if (old_len)
            Safefree (old);
          return 0;
        }
    }
  return assign (perl, sv, temp, thrown);
}

/* Assigns octets; returns as xs_set_heap does. */
int
xs_set_bytes (void *perl, SV *sv, const char *ptr, size_t len, SV **thrown)
{
  THX (perl);
  return assign (perl, sv, sv_2mortal (newSVpvn (ptr, len)), thrown);
}

/* ---- waiting --------------------------------------------------------------- */

static int
wait_fd (int fd, long us, const sigset_t *mask)
{
  struct pollfd pfd;
  struct timespec ts;

  pfd.fd = fd;
  pfd.events = POLLIN;
  pfd.revents = 0;
  ts.tv_sec = us / 1000000;
  ts.tv_nsec = us % 1000000 * 1000L;
#if defined (__linux__) || defined (__FreeBSD__)
  return ppoll (&pfd, 1, us < 0 ? 0 : &ts, mask);
#else
  if (fd < FD_SETSIZE)
    {
      fd_set set;
      FD_ZERO (&set);
      FD_SET (fd, &set);
      return pselect (fd + 1, &set, 0, 0, us < 0 ? 0 : &ts, mask);
    }
  /* No call takes the mask as well: look at the signals every 50 ms. */
  pthread_sigmask (SIG_SETMASK, mask, 0);
  return poll (&pfd, 1, us < 0 || us > 50000 ? 50 : (int) (us / 1000) + 1);
#endif
}

/* Waits until fd is readable, a signal comes, or `us` microseconds have passed (-1: no limit).
 * No signal is late: all are blocked while perl's pending ones are looked at, and ppoll lets
 * them in. */
int
xs_wait_fd (void *perl, int fd, long us, int *readable)
{
  THX (perl);
  sigset_t all;
  sigset_t old;
  volatile int n = 0;
  int jump;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  {
    /* A handler that perl runs at once (POSIX::sigaction without `safe`) may die in there. */
    dJMPENV;
    JMPENV_PUSH (jump);
    if (!jump && !PL_sig_pending)
      n = wait_fd (fd, us, &old);
    JMPENV_POP;
  }
  pthread_sigmask (SIG_SETMASK, &old, 0);
  *readable = n > 0;
  return jump;
}

int xs_has_signals (void *perl) { THX (perl); return PL_sig_pending != 0; }

/* Runs the handlers of pending signals. */
int
xs_signals (void *perl)
{
  THX (perl);
  if (!PL_sig_pending)
    return 0;
  GUARD (PERL_ASYNC_CHECK (););
  return 0;
}

/* ---- the interpreter -------------------------------------------------------- */

/* Registers code to run when the interpreter is taken down, before its scalars are. */
static void (*at_exit) (void *perl);

static void
run_at_exit (pTHX_ void *data)
{
  PERL_UNUSED_ARG (data);
  at_exit (THX_ARG);
}

void
xs_at_exit (void *perl, void (*run) (void *perl))
{
  THX (perl);
  at_exit = run;
  call_atexit (run_at_exit, 0);
}

int xs_gimme (void *perl) { THX (perl); I32 g = GIMME_V; return g == G_VOID ? 0 : g == G_SCALAR ? 1 : 2; }

int xs_is_multi (void) {
#ifdef MULTIPLICITY
  return 1;
#else
  return 0;
#endif
}
