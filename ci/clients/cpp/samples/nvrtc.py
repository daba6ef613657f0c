"""nvrtc.py --library LIBRARY --architecture compute_80 --out FOLDER [--include FOLDER]... [--option WORD]... FILE...: the device parts
of samples as PTX, compiled by NVRTC in this process. One line for each that fails; ends with 1 then."""

import argparse
import ctypes
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p, create_string_buffer
from pathlib import Path


class Compiler:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        for name, arguments in {
            "nvrtcVersion": [POINTER(c_int), POINTER(c_int)],
            "nvrtcCreateProgram": [POINTER(c_void_p), c_char_p, c_char_p, c_int, c_void_p, c_void_p],
            "nvrtcCompileProgram": [c_void_p, c_int, POINTER(c_char_p)],
            "nvrtcGetPTXSize": [c_void_p, POINTER(c_size_t)],
            "nvrtcGetPTX": [c_void_p, c_char_p],
            "nvrtcGetProgramLogSize": [c_void_p, POINTER(c_size_t)],
            "nvrtcGetProgramLog": [c_void_p, c_char_p],
            "nvrtcDestroyProgram": [POINTER(c_void_p)],
        }.items():
            getattr(self.library, name).argtypes = arguments

    def version(self):
        major, minor = c_int(), c_int()
        self.library.nvrtcVersion(byref(major), byref(minor))
        return f"{major.value}.{minor.value}"

    def text(self, program, what):
        size = c_size_t()
        getattr(self.library, f"nvrtcGet{what}Size")(program, byref(size))
        buffer = create_string_buffer(size.value)
        getattr(self.library, f"nvrtcGet{what}")(program, buffer)
        return buffer.value

    def compile(self, source, name, options):
        """The PTX, or an error's text."""
        program = c_void_p()
        self.library.nvrtcCreateProgram(byref(program), source, name.encode(), 0, None, None)
        try:
            words = (c_char_p * len(options))(*[word.encode() for word in options])
            if self.library.nvrtcCompileProgram(program, len(options), words) != 0:
                return None, self.text(program, "ProgramLog").decode(errors="replace")
            return self.text(program, "PTX"), ""
        finally:
            self.library.nvrtcDestroyProgram(byref(program))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("files", nargs="+", type=Path)
    arguments = parser.parse_args()
    compiler = Compiler(arguments.library)
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for file in arguments.files:
        options = [f"-arch={arguments.architecture}", "-std=c++17", "--device-int128", f"-I{file.parent}", *[f"-I{folder}" for folder in arguments.include], *arguments.option]
        ptx, log = compiler.compile(file.read_bytes(), file.name, options)
        if ptx is None:
            failed += 1
            print(f"{file.name}: {log.strip()}")
        else:
            (arguments.out / f"{file.stem}.ptx").write_bytes(ptx)
    print(f"NVRTC {compiler.version()}: {len(arguments.files) - failed} compiled, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
