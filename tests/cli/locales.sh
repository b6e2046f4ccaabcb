# shellcheck shell=bash
# Locales in which numbers and letters look different: German, whose decimal point is a comma, and Turkish, which has two kinds of i. Sourced
# by a test after lib.sh; they are made here, so that the machine need not have them. Ends the test as skipped where that is not possible.
LOCALES=(de_DE.UTF-8 tr_TR.UTF-8)
mkdir "$WORK/locales"
for locale in "${LOCALES[@]}"; do
    if ! localedef -i "${locale%.*}" -f UTF-8 "$WORK/locales/$locale" >"$OUT" 2>"$ERR"; then
        skip "$(basename "$0" .sh)" "no locale $locale can be made: $(head -n 1 "$ERR"); apt-get install locales"
        exit 77
    fi
done
export LOCPATH=$WORK/locales
must "the German locale writes a comma" test "$(LC_ALL=de_DE.UTF-8 locale decimal_point)" = ,
