#!/bin/sh
# Runs a test in the Python that PERPLEX_PYTHON names (python3 without it); SKIP where there is none.
python=${PERPLEX_PYTHON:-python3}
command -v "$python" >/dev/null || {
    echo "SKIP: $(basename "$1"): no $python; PERPLEX_PYTHON names a Python with torch and safetensors"
    exit 77
}
exec "$python" "$@"
