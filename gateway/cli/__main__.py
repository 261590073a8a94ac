"""`python -m gateway.cli`: the same as `pushmill`, for where the script isn't on the path."""

from gateway.cli.entry import main

if __name__ == "__main__":
    main()
