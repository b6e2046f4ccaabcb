$line0 << EOD
"cpu train n=32 T=35 L=1 V=28 d=0, 2 threads"
250 241052 234395 243881
256 261285 256234 263350
512 99445.1 97722.4 100155
EOD
$line1 << EOD
"cpu train n=32 T=35 L=2 V=28 d=0, 2 threads"
256 106898 103660 109401
1024 8658.06 8577.53 8755.45
EOD
set title 'Tokens per second over hidden units'
set xlabel 'h, hidden units'
set ylabel 'tokens/s (median and quartiles)'
set logscale x 2
set logscale y
set format y '%.0s%c'
set key below noenhanced
set grid
plot $line0 using 1:2:3:4 with yerrorlines pointtype 7 title columnheader(1), \
     $line1 using 1:2:3:4 with yerrorlines pointtype 7 title columnheader(1)
