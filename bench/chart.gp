# Draws the ratios of a results file. Called by bench/run with the variables
# data, out, last (place of the lowest bar) and heading.
#
# Columns of data: place of the bar, ratio, least, most, CPU ratio, goal, label,
# value as text, place of that text.

set datafile separator "\t"
set encoding utf8

height = 130 + 22 * last
set terminal svg size 900, height font "Helvetica,Arial,sans-serif,13" background "#ffffff" noenhanced
set output out

low = 0.5
top = 2
do for [column in "2 4 5 6"] {
   stats data using int(column) nooutput
   if (STATS_records > 0) {
      low = STATS_min < low ? STATS_min : low
      top = STATS_max > top ? STATS_max : top
   }
}

set xrange [low * 0.85 : top * 1.9]
set yrange [last + 0.8 : -0.8]
set logscale x 2
set xtics nomirror scale 0 textcolor "#555555" format "%g×"
set ytics scale 0 textcolor "#222222"
set border 0
set grid back xtics lt 1 lw 0.8 lc "#e2e2e2"

# Margins in pixels, so that the chart may have any number of bars.
set lmargin at screen 0.36
set rmargin at screen 0.97
set tmargin at screen 1 - 72.0 / height
set bmargin at screen 32.0 / height

set label 1 heading at screen 0.03, screen 1 - 26.0 / height left font ",18" textcolor "#222222"
set label 2 "Reference ÷ this build, log scale. Right of the line, this build is better." \
   at screen 0.03, screen 1 - 50.0 / height left textcolor "#555555"

set key at screen 0.99, screen 1 - 38.0 / height right center vertical Left reverse \
   samplen 1.2 width 1 maxrows 2 textcolor "#555555"
set arrow 1 from 1, graph 0 to 1, graph 1 nohead lw 1.6 lc "#222222" front

faster = 0x3b78b5
slower = 0xcc6633

plot data using 2:1:($2 < 1 ? $2 : 1):($2 < 1 ? 1 : $2):($1 - 0.36):($1 + 0.36):($2 < 1 ? slower : faster):ytic(7) \
        with boxxyerror fs solid 1 noborder lc rgb variable notitle, \
     NaN with boxes fs solid 1 noborder lc rgb faster title "wall time", \
     data using 2:1:3:4 with xerrorbars pt 0 lw 1.2 lc rgb "#1c3f63" title "least to most", \
     data using 5:1 with points pt 7 ps 0.55 lc rgb "#f2b134" title "processor time", \
     data using 6:($1 - 0.44):(0):(0.88) with vectors nohead lw 6 lc rgb "#ffffff" notitle, \
     data using 6:($1 - 0.44):(0):(0.88) with vectors nohead lw 2.6 lc rgb "#1b8a50" title "goal", \
     data using 9:1:8 \
        with labels left offset 0.9, 0 textcolor "#222222" notitle
