"""Renaming directories that an earlier version of the volume has."""

import asyncio

from modal_emulator.runtime.backend import Mount
from yard import Yard


def test_directories_are_renamed_as_on_modal(yard: Yard) -> None:
    volume = yard.volume().layer(file="x")
    (volume.layers[0] / "old" / "deep").mkdir(parents=True)
    (volume.layers[0] / "old" / "deep" / "f").write_text("f")
    (volume.layers[0] / "old" / "link").symlink_to("deep/f")
    (volume.layers[0] / "full").mkdir()
    (volume.layers[0] / "full" / "f").write_text("f")
    (volume.layers[0] / "empty").mkdir()

    async def story() -> None:
        def script() -> None:
            import os
            import pathlib

            os.rename("/data/old", "/data/new")
            print(sorted(os.listdir("/data/new")), os.readlink("/data/new/link"))
            print(open("/data/new/deep/f").read(), os.path.exists("/data/old"))
            for target in ("/data/full", "/data/file", "/data/none/x"):
                try:
                    os.replace("/data/new", target)
                except OSError as error:
                    print(error.strerror, error.filename)
            pathlib.Path("/data/new").rename("/data/empty")
            print(sorted(os.listdir("/data")), sorted(os.listdir("/data/empty")))
            os.chdir("/data")
            os.rename("empty", "full/inner")
            print(os.listdir("full/inner/deep"))

        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        assert (await run.printed()).splitlines() == [
            "['deep', 'link'] deep/f",
            "f False",
            "Directory not empty /data/new",
            "Not a directory /data/new",
            "No such file or directory /data/new",
            "['empty', 'file', 'full'] ['deep', 'link']",
            "['f']",
        ]
        await yard.close()

    asyncio.run(story())
