$line0 << EOD
"cpu train h=512 T=35 L=1 V=28 d=0, 2 threads"
7 70375.6 70046.4 70457.7
8 77659.7 76805.9 77885.5
32 99445.1 97722.4 100155
33 88312.1 86317.4 89007.3
40 88938.1 87917.7 89281.9
EOD
set title 'Tokens per second over streams'
set xlabel 'n, streams'
set ylabel 'tokens/s (median and quartiles)'
set logscale x 2
set logscale y
set format y '%.0s%c'
set key below noenhanced
set grid
plot $line0 using 1:2:3:4 with yerrorlines pointtype 7 title columnheader(1)
