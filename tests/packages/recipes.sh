#!/usr/bin/env bash
# The recipes for conda-forge and Spack have the form that those ask for, name what perplex needs, and read the right version.
#     recipes.sh SOURCE
cd "$1" || exit 1
. tests/packages/lib.sh
command -v python3 >/dev/null || { echo "SKIP: packages_recipes: no python3"; exit 77; }

# column NUMBER NAMES...: what the table calls them.
called() {
    local column=$1 name
    shift
    for name in "$@"; do awk -F '\t' -v n="$name" -v c="$column" '$1 == n { print $c }' scripts/packages.tsv; done
}
NEEDED=(cjson utf8proc xxhash zlib zstd protobuf-c isa-l ncurses)

# ---- Spack: Python that parses, a class, and a line for each library
cat >"$WORK/spack.py" <<'END'
import ast, sys
tree = ast.parse(open("packaging/spack/package.py").read())
classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
assert [c.name for c in classes] == ["Perplex"], "one class named as the package"
assert ast.get_docstring(classes[0]), "a docstring, which Spack shows"
calls = [n.value for n in classes[0].body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
named = lambda directive: {c.args[0].value.split("@")[0] for c in calls if c.func.id == directive}
missing = {"c", "cmake"} | set(sys.argv[1:])
missing -= named("depends_on")
assert not missing, f"not among depends_on: {missing}"
assert named("version") and named("license") == {"Apache-2.0"}
END
attempt python3 "$WORK/spack.py" cjson utf8proc xxhash zlib-api zstd protobuf-c isa-l ncurses
must "Spack's recipe has its form and all libraries" ended 0

# ---- conda-forge: YAML behind Jinja
if python3 -c 'import yaml, jinja2' 2>/dev/null; then
    cat >"$WORK/conda.py" <<'END'
import re, sys
import jinja2, yaml
def load_file_regex(load_file, regex_pattern, from_recipe_dir):
    return re.search(regex_pattern, open("packaging/conda/" + load_file).read())
text = jinja2.Template(open("packaging/conda/meta.yaml").read()).render(
    load_file_regex=load_file_regex, compiler=lambda language: language + "-compiler", stdlib=lambda language: language + "-stdlib",
    pin_subpackage=lambda name, max_pin: name + " " + max_pin)
recipe = yaml.safe_load(text)
for part in ("package", "source", "build", "requirements", "test", "about"):
    assert part in recipe, f"no {part}"
assert recipe["package"] == {"name": "perplex", "version": sys.argv[1]}, recipe["package"]
assert recipe["about"]["license"] == "Apache-2.0" and open(recipe["about"]["license_file"])
missing = set(sys.argv[2:]) - {line.split()[0] for line in recipe["requirements"]["host"]}
assert not missing, f"not among host: {missing}"
END
    version=$(sed -nE 's/^#define PERPLEX_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' include/perplex/version.h | paste -sd .)
    # shellcheck disable=SC2046 # several names
    attempt python3 "$WORK/conda.py" "$version" $(called 6 "${NEEDED[@]}")
    must "conda-forge's recipe has its form, the version and all libraries" ended 0
else echo "SKIP: packages_recipes: no PyYAML or Jinja: the recipe for conda-forge was not read"; fi

# ---- what they ask of the build is there
RECIPES=(packaging/conda/meta.yaml packaging/spack/package.py packaging/Dockerfile packaging/perplex.def)
oldest=$(sed -nE 's/^cmake_minimum_required\(VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
for option in $(grep -ohE 'PERPLEX_[A-Z_]+' "${RECIPES[@]}" | grep -v PERPLEX_VERSION | sort -u); do
    must "$option is an option of the build" grep -rqE "(option\($option |$option .* CACHE )" CMakeLists.txt cmake
done
must "conda-forge's recipe asks for the oldest CMake that builds" grep -q -- "- cmake >=$oldest\$" packaging/conda/meta.yaml
must "Spack's, too" grep -q "\"cmake@$oldest:\"" packaging/spack/package.py
must "the address to be set stands once in each" test "$(cat packaging/conda/meta.yaml packaging/spack/package.py | grep -c 'perplex\.example')" = 2

# ---- containers: their build packages are those of the table
for file in packaging/Dockerfile packaging/perplex.def; do
    # shellcheck disable=SC2046
    for package in $(called 3 cmake cc "${NEEDED[@]}"); do must "$file installs $package" grep -qw -- "$package" $file; done
done
finish
