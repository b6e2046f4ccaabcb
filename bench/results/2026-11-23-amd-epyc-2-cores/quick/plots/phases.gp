$shares << EOD
case data "embed" "recurrence_forward" "head" "recurrence_backward" "embed_backward" "update"
"cpu n=32 h=512 L=1 V=28 1t" 0.06504 0.00062 33.31083 5.91960 59.39504 0.40447 0.71927
"cpu n=32 h=512 L=1 V=28 2t" 0.10632 0.00068 34.10833 6.03768 57.83681 0.83922 1.07874
"cpu n=32 h=512 L=1 V=10000 2t" 0.00549 0.00015 1.84517 93.42350 3.00061 0.07220 1.26011
"cpu n=32 h=256 L=2 V=28 2t" 0.12861 0.00141 36.57236 4.64072 55.53192 0.98597 1.69081
"cpu n=32 h=1024 L=2 V=28 2t" 0.01076 0.00013 33.01359 1.20348 64.27448 0.31483 0.93505
"cpu n=7 h=512 L=1 V=28 2t" 0.07331 0.00195 34.53529 6.50660 49.99327 1.54034 7.63769
"cpu n=8 h=512 L=1 V=28 2t" 0.06815 0.00208 34.82304 6.96742 49.55110 1.55419 7.28739
"cpu n=33 h=512 L=1 V=28 2t" 0.10822 0.00076 32.70506 6.95559 56.74674 1.98969 1.66845
"cpu n=40 h=512 L=1 V=28 2t" 0.10037 0.00070 32.37071 6.61708 57.44688 2.06952 1.34597
"cpu n=32 h=250 L=1 V=28 2t" 0.23112 0.00194 37.30354 10.83130 47.16313 3.01962 1.52203
"cpu n=32 h=256 L=1 V=28 2t" 0.23430 0.00206 34.53288 12.23266 48.76462 2.56956 1.70902
"cpu n=1 h=33 L=1 V=28 2t" 0.43525 0.02998 34.80240 20.26918 32.17266 4.04368 7.75943
EOD
set title 'Shares of a step'
set style data histograms
set style histogram rowstacked
set style fill solid 0.8 border -1
set boxwidth 0.8
set yrange [0:100]
set ylabel '% of the step'
set xtics rotate by -45 noenhanced
set key outside right top noenhanced
plot for [i=2:8] $shares using i:xtic(1) title columnheader(i)
