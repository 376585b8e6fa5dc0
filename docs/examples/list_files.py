"""
List what is on a volume, from inside a container and from outside.

    modal run list_files.py

Outside, `listdir` asks Modal and shows what is committed. Inside, the volume is a directory like
any other and shows what this container sees, its own uncommitted files among it.
"""

from pathlib import Path

import modal

app = modal.App("example-list-files")
volume = modal.Volume.from_name("example-list-files", create_if_missing=True)

DATA = Path("/data")
REPORTS = {
    "readme.txt": "reports by year\n",
    "2025/q4.csv": "month,sales\n10,7\n11,9\n12,4\n",
    "2026/q1.csv": "month,sales\n1,3\n2,8\n3,6\n",
}


@app.function(volumes={str(DATA): volume})
def fill() -> list[str]:
    """Write the reports and commit; list all as this container sees it."""
    for name, text in REPORTS.items():
        path = DATA / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    volume.commit()
    return sorted(
        f"{path.relative_to(DATA)}{'/' if path.is_dir() else f'  {path.stat().st_size} bytes'}"
        for path in DATA.rglob("*")
    )


@app.local_entrypoint()
def main() -> None:
    print("inside a container:", *fill.remote(), sep="\n  ")

    print("from outside, all of it:")
    for entry in volume.iterdir("/", recursive=True):
        print(f"  {entry.path}  {entry.type.name.lower()}  {entry.size} bytes")

    print("from outside, one directory:", *(e.path for e in volume.listdir("/2026")))
    print("from outside, one file:", b"".join(volume.read_file("readme.txt")).decode().strip())
