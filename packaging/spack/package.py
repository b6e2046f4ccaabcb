# Spack recipe: see ../README.md.
from spack_repo.builtin.build_systems.cmake import CMakePackage
from spack_repo.builtin.build_systems.cuda import CudaPackage

from spack.package import *


address = "https://perplex.example"  # to be set by whoever publishes it


class Perplex(CMakePackage, CudaPackage):
    """Trains, evaluates and samples recurrent language models, on CPUs and NVIDIA GPUs."""

    homepage = address
    git = address + "/perplex.git"

    license("Apache-2.0", checked_by="perplex")

    version("main", branch="main")

    variant("mpi", default=False, description="Several processes by MPI")
    variant("tensorboard", default=True, description="Event files for TensorBoard")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+cuda")
    depends_on("cmake@3.18:", type="build")
    depends_on("cjson")
    depends_on("utf8proc")
    depends_on("xxhash")
    depends_on("zlib-api")
    depends_on("zstd")
    depends_on("ncurses")
    depends_on("protobuf-c", when="+tensorboard")
    depends_on("isa-l", when="+tensorboard")
    depends_on("mpi", when="+mpi")
    depends_on("cuda@12:", when="+cuda")

    def cmake_args(self):
        args = [
            self.define("PERPLEX_TESTS", False),
            self.define("PERPLEX_CUDA", "ON" if self.spec.satisfies("+cuda") else "OFF"),
            self.define("PERPLEX_MPI", "ON" if self.spec.satisfies("+mpi") else "OFF"),
        ]
        if self.spec.satisfies("+cuda") and self.spec.variants["cuda_arch"].value[0] != "none":
            args.append(self.define("CMAKE_CUDA_ARCHITECTURES", self.spec.variants["cuda_arch"].value))
        return args
