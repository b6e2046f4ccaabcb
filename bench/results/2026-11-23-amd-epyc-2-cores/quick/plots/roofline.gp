set title 'Roofline: counted operations against compulsory bytes'
set xlabel 'operations per byte'
set ylabel 'GFLOP/s'
set logscale xy
set grid
set key below noenhanced
set xrange [0.1:10000]
$points0 << EOD
41.2165 82.9645
EOD
$points1 << EOD
41.2165 163.478
109.288 156.553
36.4656 129.898
90.5181 163.867
22.652 115.691
24.4112 127.665
41.5051 145.176
43.1991 146.205
23.7932 99.6576
24.2394 113
2.5978 3.86028
EOD
plot 19.0111 * x < 101.659 ? 19.0111 * x : 101.659 with lines linetype 1 title 'peak of cpu, 1 thread', \
     $points0 using 1:2 with points pointtype 7 linetype 1 title 'cases, cpu, 1 thread', \
     29.9862 * x < 203.524 ? 29.9862 * x : 203.524 with lines linetype 2 title 'peak of cpu, 2 threads', \
     $points1 using 1:2 with points pointtype 7 linetype 2 title 'cases, cpu, 2 threads'
