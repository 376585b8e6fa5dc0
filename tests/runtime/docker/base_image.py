"""
Makes a base image out of this machine, where none can be pulled.

Run as `python tests/runtime/docker/base_image.py [TAG]`. The tag is by default the one that
`modal.Image.debian_slim()` begins with, for this Python. What is in the image is Debian's essential
packages, apt and pip as they are installed here, this interpreter, and wheels of what
`debian_slim()` upgrades and of what tests install; gcc and its like are only said to be installed.
Neither pip nor apt of the image asks the network. The machine must be a Debian.
"""

import io
import os
import posixpath
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

PREFIX = "usr/local"
PACKAGES = "apt bash ca-certificates coreutils debconf findutils grep gzip procps sed tar".split()
START = f"""#!/{PREFIX}/bin/python
import sys

from pip._internal.cli.main import main

sys.exit(main())
"""
SAID = ("gcc", "gfortran", "build-essential")
TOOLS = ("pip", "wheel", "uv")
INSTALLED = ("fastapi",)
EXTRAS = rb"(?m)^(Requires-Dist: .*extra ==|Provides-Extra:).*\n"
LEFT_OUT = re.compile(
    r"/usr/share/(doc|man|locale|info|i18n|zoneinfo|bash-completion)/|/usr/lib/.*/gconv/"
)
NOT_OF_PYTHON = {
    "site-packages",
    "test",
    "idlelib",
    "turtledemo",
    "tkinter",
    "lib2to3",
}
SITE = f"{PREFIX}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def default_tag() -> str:
    """Return what `debian_slim()` of the installed SDK says after FROM, asking for this Python."""
    from modal import _image  # type: ignore[attr-defined]

    from modal_emulator.sdk import newest_builder_version

    version = newest_builder_version()
    python = _image._dockerhub_python_version(version)
    return f"python:{python}-slim-{_image._base_image_config('debian', version)}"


def ask(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def packages() -> list[str]:
    """Return the essential packages and ours, with all that they depend on."""
    fields = "${Package}\t${Essential}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
    needs: dict[str, list[list[str]]] = {}
    provided: dict[str, str] = {}
    wanted = list(PACKAGES)
    for line in ask("dpkg-query", "-W", "-f", fields).splitlines():
        name, essential, depends, provides = line.split("\t")
        # Each need may be met by one of several.
        needs[name] = [re.findall(r"(?:^|\|)\s*([^\s(:|]+)", each) for each in depends.split(",")]
        provided.update((each.split("(")[0].strip(), name) for each in provides.split(","))
        if essential == "yes":
            wanted.append(name)
    found: dict[str, None] = {}
    while wanted:
        name = wanted.pop()
        name = name if name in needs else provided.get(name, "")
        if name and name not in found:
            found[name] = None
            for each in needs[name]:
                there = [other for other in each if other in needs or other in provided]
                wanted += there[:1]
    return sorted(found)


def libraries(prefix: Path) -> Iterator[str]:
    """Yield the shared libraries that the interpreter and its modules load."""
    dynamic = Path(sysconfig.get_path("stdlib"), "lib-dynload")
    for path in (Path(os.path.realpath(sys.executable)), *dynamic.glob("*.so")):
        told = subprocess.run(["ldd", path], stdout=subprocess.PIPE, text=True).stdout
        for found in re.findall(r"(/\S+)", told):
            if not Path(found).resolve().is_relative_to(prefix):
                yield found


class Tree:
    """An archive that takes each path once."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._taken: set[str] = set()

    def add(self, source: Path, name: str = "") -> None:
        # /lib and /bin are links into /usr on a merged machine, and files are named by either.
        name = name or f"{source.parent.resolve()}/{source.name}"
        if os.path.lexists(source) and (name := self._take(name)):
            self._archive.add(source, name, recursive=False)

    def write(self, name: str, data: bytes, mode: int = 0o644) -> None:
        entry = tarfile.TarInfo(self._take(name))
        entry.size, entry.mode = len(data), mode
        self._put(entry, data)

    def link(self, name: str, target: str) -> None:
        entry = tarfile.TarInfo(self._take(name))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._put(entry)

    def directory(self, name: str, mode: int = 0o755) -> None:
        entry = tarfile.TarInfo(self._take(name))
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._put(entry)

    def _put(self, entry: tarfile.TarInfo, data: bytes = b"") -> None:
        if entry.name:
            self._archive.addfile(entry, io.BytesIO(data))

    def _take(self, name: str) -> str:
        """Return the name as an archive has it, or nothing if it is there already."""
        name = posixpath.normpath(name).lstrip("/")
        if name in self._taken or name == ".":
            return ""
        self._taken.add(name)
        return name


def add_debian(tree: Tree) -> None:
    names = packages()
    tree.write("var/lib/dpkg/status", status(names).encode())
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            tree.link(name, str(Path("/", name).readlink()))
    for name in ("proc", "sys", "dev", "run", "root", "home", "var/lib/apt/lists/partial"):
        tree.directory(name)
    tree.directory("tmp", 0o1777)
    tree.directory("var/tmp", 0o1777)
    for path in sorted(set(ask("dpkg-query", "-L", *names).splitlines())):
        if path.startswith("/") and path != "/." and not LEFT_OUT.search(path):
            tree.add(Path(path))
    for path in ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/ld.so.cache"):
        tree.add(Path(path))
    for name in ("config.dat", "templates.dat"):
        tree.add(Path("/var/cache/debconf", name))
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        tree.add(bundle)
    tree.directory("var/lib/dpkg/info")
    tree.directory("var/lib/dpkg/updates")


def status(names: Iterable[str]) -> str:
    """Return what dpkg is to believe: what is there, and what is only said to be."""
    kept = set(names)
    every = Path("/var/lib/dpkg/status").read_text().strip().split("\n\n")
    told = [each for each in every if each.split("\n", 1)[0].removeprefix("Package: ") in kept]
    told += [
        f"Package: {name}\nStatus: install ok installed\nMaintainer: nobody\n"
        "Architecture: all\nVersion: 99\nDescription: said to be installed"
        for name in SAID
    ]
    return "\n\n".join(told) + "\n"


def add_python(tree: Tree, wheels: Path) -> None:
    prefix = Path(sys.base_prefix).resolve()
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    tree.add(Path(os.path.realpath(sys.executable)), f"{PREFIX}/bin/{minor}")
    for name in ("python", "python3"):
        tree.link(f"{PREFIX}/bin/{name}", minor)
    for path in prefix.glob("lib/libpython*"):
        tree.add(path, f"usr/lib/{path.name}")  # where it is looked for without a cache
    for place, directories, files in os.walk(standard):
        directories[:] = sorted(set(directories) - NOT_OF_PYTHON)
        inner = Path(place).relative_to(standard)
        for name in sorted(files):
            # What is compiled is good there, too, and saves each container a second of work.
            if not name.endswith((".a", ".exe", ".opt-1.pyc", ".opt-2.pyc")):
                tree.add(Path(place, name), f"{PREFIX}/lib/{minor}/{inner}/{name}")
    for library in sorted(set(libraries(prefix))):
        for path in (Path(library), Path(library).resolve()):
            tree.add(path)
    tree.write("etc/pip.conf", b"[global]\nno-index = true\nfind-links = /wheels\n")
    pip = next(wheels.glob("pip-*.whl"))
    with zipfile.ZipFile(pip) as archive:
        for name in archive.namelist():
            tree.write(f"{SITE}/{name}", archive.read(name))
    tree.write(f"{PREFIX}/bin/pip", START.encode(), 0o755)
    for wheel in sorted(wheels.glob("*.whl")):
        tree.add(wheel, f"wheels/{wheel.name}")


def pack_installed(wheels: Path) -> None:
    """
    Make wheels of what is installed here, so that nothing is fetched.

    Extras are left out: pip says that there are none, and goes on.
    """
    found: dict[str, Distribution] = {}
    wanted = [*INSTALLED]
    while wanted:
        each = distribution(wanted.pop())
        if each.name not in found:
            found[each.name] = each
            needs = map(Requirement, each.requires or ())
            wanted += [n.name for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
    for each in found.values():
        pack(each, wheels)


def pack(installed: Distribution, wheels: Path) -> None:
    """Make the wheel that this was installed from, as far as pip needs it."""
    [tag] = re.findall(r"^Tag: (.*)", installed.read_text("WHEEL") or "", re.MULTILINE)[:1]
    name = re.sub(r"[-_.]+", "_", installed.name)
    with zipfile.ZipFile(wheels / f"{name}-{installed.version}-{tag}.whl", "w") as wheel:
        for file in installed.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                data = Path(str(file.locate())).read_bytes()
                if file.name == "METADATA":
                    data = re.sub(EXTRAS, b"", data)
                wheel.writestr(str(file), data)


def make(tag: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch, "wheels")
        pip = [sys.executable, "-m", "pip", "download", "-q", "-d", wheels, *TOOLS]
        subprocess.run(pip, check=True)
        pack_installed(wheels)
        path = Path(scratch, "tree.tar")
        with tarfile.open(path, "w", dereference=False) as archive:
            tree = Tree(archive)
            add_debian(tree)
            add_python(tree, wheels)
        change = [
            "-c",
            f"ENV PATH=/{PREFIX}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "-c",
            'CMD ["python3"]',
        ]
        change += ["-c", "ENV LANG=C.UTF-8"]
        subprocess.run(["docker", "import", *change, path, tag], check=True)


if __name__ == "__main__":
    make(sys.argv[1] if len(sys.argv) > 1 else default_tag())
