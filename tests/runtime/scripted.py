"""An entrypoint for tests: runs the Python source that it finds as its arguments."""

import os

if __name__ == "__main__":
    with open(os.environ["MODAL_CONTAINER_ARGUMENTS_PATH"]) as file:
        exec(compile(file.read(), "<script>", "exec"))
