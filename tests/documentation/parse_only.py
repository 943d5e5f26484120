"""Run a command up to the point where its options are parsed: ``MODULE ARGUMENTS``."""

from __future__ import annotations

import argparse
import runpy
import sys
from typing import Any


def main() -> None:
    """End with code 0 where the options can be parsed."""
    module, *arguments = sys.argv[1:]
    parse = argparse.ArgumentParser.parse_known_args

    def parsed(self: argparse.ArgumentParser, *given: Any, **named: Any) -> Any:
        result = parse(self, *given, **named)
        # Commands below this one parse through the same method, with their own part of the arguments.
        if self is outermost[0]:
            unknown = result[1]
            if unknown:
                self.error(f"unrecognized arguments: {' '.join(unknown)}")
            sys.exit(0)
        return result

    outermost: list[argparse.ArgumentParser] = []

    def first(self: argparse.ArgumentParser, *given: Any, **named: Any) -> Any:
        if not outermost:
            outermost.append(self)
        return parsed(self, *given, **named)

    argparse.ArgumentParser.parse_known_args = first  # type: ignore[method-assign]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(3)


if __name__ == "__main__":
    main()
