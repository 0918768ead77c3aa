"""`python -m fpt_bench`."""

from fpt_bench.cli import main

if __name__ == "__main__":
    main()
