#!/usr/bin/env bash
# The text behind a run: --split-of reads what the run was trained with, from any folder, or says that it is another text.
. "$(dirname "$0")/lib.sh"
make_text text.txt 300
make_text longer.txt 400
cp text.txt kept.txt
run train --data text.txt --run model --hidden 8 --batch 4 --steps 8 --max-steps 6 --no-report --no-tensorboard
done_with "a run" 0
run eval --split-of model test
cp "$OUT" wanted
done_with "its test part is scored" 0
must "it says which file was read" grep -q "reads $PWD/text.txt" "$ERR"
mkdir elsewhere
(cd elsewhere && "$PERPLEX" eval --split-of ../model test) >"$OUT" 2>"$ERR"
same() { cmp <(grep -vE '^tokens|part of' "$1") <(grep -vE '^tokens|part of' "$2") && [ -s "$1" ]; }
must "another working folder finds the same text" same wanted "$OUT"
cp longer.txt elsewhere/text.txt
(cd elsewhere && "$PERPLEX" eval --split-of ../model test) >"$OUT" 2>"$ERR"
must "a file of the same name in another folder is not taken" same wanted "$OUT"

head -c 4000 kept.txt >text.txt
refuses "eval: a shortened text" 2 'not the text that model was trained with.*--data FILE' eval --split-of model test
refuses "inspect: a shortened text" 2 'not the text that model was trained with' inspect --split-of model test
refuses "ngram: a shortened text" 2 'not the text that model was trained with' ngram --order 2 --split-of model test
run eval --split-of model test --data kept.txt
must "--data says where it lies now" same wanted "$OUT"
run ngram --order 2 --split-of model test --data kept.txt
done_with "ngram, too" 0
run inspect --split-of model test --data kept.txt
done_with "inspect, too" 0
refuses "--data with another text" 2 'longer.txt: not the text' eval --split-of model test --data longer.txt
rm text.txt
refuses "a text that is gone" 2 'text.txt.*|--data FILE' eval --split-of model test
run train --resume model --max-steps 8 --data kept.txt
done_with "resuming takes it from there" 0
(cd elsewhere && "$PERPLEX" train --resume ../model --max-steps 9) >"$OUT" 2>"$ERR"
status=$?
done_with "and finds it from another folder" 0
# ---- a run with a text of its own for validation
run train --data kept.txt --valid longer.txt --run apart --hidden 8 --batch 4 --steps 8 --max-steps 6 --no-report --no-tensorboard
run eval --split-of apart valid
cp "$OUT" wanted
must "the file that was read is the part's" grep -q "reads $PWD/longer.txt" "$ERR"
mv longer.txt moved.txt
for command in eval inspect 'ngram --order 2'; do
    # shellcheck disable=SC2086
    {
    refuses "${command%% *}: a validation text that is gone" 2 'longer.txt' $command --split-of apart valid
    refuses "${command%% *}: --valid with another text" 2 'not the text' $command --split-of apart valid --valid kept.txt
    run $command --split-of apart valid --valid moved.txt
    done_with "${command%% *}: --valid says where it lies now" 0
    }
done
run eval --split-of apart valid --valid moved.txt
must "and it is scored as before" same wanted "$OUT"
refuses "--valid without --split-of" 2 'of --split-of' eval --model apart --data kept.txt --valid moved.txt
cp -r model torn
truncate -s -9 torn/last.safetensors
run eval --split-of torn test --data kept.txt
done_with "a damaged last.safetensors does not hinder the best one" 0
refuses "nor does it hide another text" 2 'moved.txt: not the text' eval --split-of torn test --data moved.txt
must "a run without a checkpoint is scored with a word" bash -c "cp -r model bare && cp model/best.safetensors m.st && rm bare/*.safetensors && '$PERPLEX' eval --model m.st --split-of bare test --data kept.txt 2>&1 | grep -q 'without a checkpoint'"
# ---- a project folder that is moved whole
mkdir -p project/texts project/runs outside
make_text project/texts/text.txt 300
make_text project/texts/valid.txt 50
make_text outside/test.txt 60
(cd project && "$PERPLEX" train --data texts/text.txt --valid ../project/texts/valid.txt --test ../outside/test.txt --run runs/one --hidden 8 --batch 4 --steps 8 \
    --max-steps 6 --no-report --no-tensorboard) >"$OUT" 2>"$ERR"
status=$?
done_with "a run in a project" 0
run eval --split-of project/runs/one valid
cp "$OUT" wanted
mkdir -p deep/er
mv project deep/er/moved
run eval --split-of deep/er/moved/runs/one valid
must "moved whole, it finds its text" same wanted "$OUT"
must "and says which file it read" grep -q "reads $PWD/deep/er/moved/texts/valid.txt" "$ERR"
(cd deep/er/moved/runs && "$PERPLEX" eval --split-of one valid) >"$OUT" 2>"$ERR"
must "from within, too" same wanted "$OUT"
for command in inspect 'ngram --order 2'; do
    # shellcheck disable=SC2086
    run $command --split-of deep/er/moved/runs/one test
    done_with "${command%% *}: a text outside of the project is read where it lies" 0
done
run report deep/er/moved/runs/one
must "the report examines it" bash -c '! grep -q "Not shown" deep/er/moved/runs/one/report.html'
mkdir -p project/texts
make_text project/texts/valid.txt 40
run eval --split-of deep/er/moved/runs/one valid
must "another text at the old place is not taken" same wanted "$OUT"
refuses "but somebody's own word counts" 2 'longer.txt|not the text' eval --split-of deep/er/moved/runs/one valid --valid project/texts/valid.txt
cp -r deep copy
run train --resume copy/er/moved/runs/one --max-steps 8
done_with "the moved run goes on" 0
must "and says what it reads" grep -q "^note: .*moved.*$PWD/copy/er/moved/texts/text.txt" "$OUT"
must "it knows its new place" grep -qx "data = $PWD/copy/er/moved/texts/text.txt" copy/er/moved/runs/one/config
make_text deep/er/moved/texts/valid.txt 45
refuses "another text at the new place is not taken either" 2 'not the text' eval --split-of deep/er/moved/runs/one valid
refuses "nor by a resumed run" 2 'not the text' train --resume deep/er/moved/runs/one --max-steps 9
mv copy third
run train --resume third/er/moved/runs/one --max-steps 9
done_with "moved once more, it goes on once more" 0
# ---- what is given away names nobody's folders
run export --model third/er/moved/runs/one --out given
must "the card has the text's name" test "$("$JSON_GET" given/model.json settings.data)" = text.txt
must "and no folder" bash -c '! grep -q "$PWD" given/model.json given/model.safetensors'
run import given/model.safetensors --vocab given/model.json --out back.safetensors
must "nor has an imported model" bash -c '! grep -aq "$PWD" back.safetensors'
finish
