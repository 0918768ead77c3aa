"""What the processor can do: its name, and how fast it multiplies and adds with nothing else to do."""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instruction sets that decide how fast matrices are multiplied."""

# Chains that do not wait for each other hide the latency of an instruction (4 to 6 cycles, two started a cycle); twelve
# of them and two constants fit into the 16 registers of AVX2. The vectors are GCC's and Clang's, so any processor has
# the float32 loop; the other one is there where the compiler, told -march=native, finds the instruction.
SOURCE = """
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12
#define LOOP(NAME, TYPE, STEP)                                              \\
    float NAME(long turns, float factor, float term) {                      \\
        TYPE sums[CHAINS], all = {0};                                       \\
        for (int i = 0; i < CHAINS; i++) sums[i] = (TYPE){0} + (float)i;    \\
        for (long turn = 0; turn < turns; turn++) {                         \\
            _Pragma("GCC unroll 12")                                        \\
            for (int i = 0; i < CHAINS; i++) sums[i] = STEP;                \\
        }                                                                   \\
        for (int i = 0; i < CHAINS; i++) all += sums[i];                    \\
        return all[0];                                                      \\
    }

typedef float vector __attribute__((vector_size(BYTES)));
LOOP(float32, vector, sums[i] * factor + term)
const long float32_flops = 2 * CHAINS * BYTES / 4;

#ifdef __AVX512BF16__
#define PAIRS(number) ((__m512bh)_mm512_castps_si512(_mm512_set1_ps(number)))
LOOP(bfloat16, __m512, _mm512_dpbf16_ps(sums[i], PAIRS(factor), PAIRS(term)))
const long bfloat16_flops = 2 * CHAINS * 32;
#endif
"""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else ""


def processor() -> dict[str, str]:
    """Return the processor's name, with family and model because virtual machines hide the name, and its FLAGS."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    name = _first(r"^model name\s*: (.*)$", text) or platform.processor() or platform.machine()
    family, model = (_first(rf"^{word}\s*: (.*)$", text) for word in ("cpu family", "model"))
    present = set(_first(r"^flags\s*: (.*)$", text).split())
    return {
        "processor": f"{name} (family {family}, model {model})" if family else name,
        "flags": " ".join(flag for flag in FLAGS if flag in present),
    }


def busy_seconds(counters: Path = Path("/proc/stat")) -> float:
    """Return the CPU seconds that all processes have used of the cores that this one may use; 0 where nobody counts."""
    if not counters.exists():
        return 0.0
    wanted = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    lines = (line.split() for line in counters.read_text().splitlines())
    ticks = 0
    for name, *counts in lines:
        if name in wanted:
            user, nice, system, _, _, interrupts, soft = map(int, counts[:7])
            ticks += user + nice + system + interrupts + soft
    return ticks / os.sysconf("SC_CLK_TCK")


def precisions() -> list[str]:
    """Return the precisions worth measuring here: float32, and bfloat16 where the processor multiplies it."""
    return ["float32", *(["bfloat16"] if {"avx512_bf16", "amx_bf16"} & set(processor()["flags"].split()) else [])]


class Instructions:
    """Loops of nothing but independent fused multiply-adds: no product of matrices can be faster.

    Attributes:
        missing: by precision, why there is no loop for it.
    """

    TURNS = 1_000_000
    """Of the loop in one measurement: two milliseconds, less than a neighbour on the same core would take away."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self._library: ctypes.CDLL | None = None
        compiler = shutil.which("cc")
        if compiler is None:
            self.missing = dict.fromkeys(precisions(), "there is no compiler `cc`")
            return
        with tempfile.TemporaryDirectory() as folder:
            source, library = Path(folder) / "loops.c", Path(folder) / "loops.so"
            source.write_text(SOURCE)
            command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(library)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                self.missing = dict.fromkeys(precisions(), f"`cc` failed: {done.stderr.strip()[:200]}")
                return
            self._library = ctypes.CDLL(str(library))
        if "bfloat16" in precisions():
            if "amx_bf16" in processor()["flags"].split():
                # The tiles are several times faster than vectors: a limit from vectors would be none.
                self.missing["bfloat16"] = "there is no loop for AMX, which multiplies bfloat16 in tiles"
            elif not hasattr(self._library, "bfloat16"):
                self.missing["bfloat16"] = "`cc` does not know the instruction"

    def rate(self, precision: str, threads: int) -> float | None:
        """Return what so many threads reached in one loop each, GFLOP/s together; None where there is no loop."""
        if precision in self.missing or self._library is None:
            return None
        loop = getattr(self._library, precision)
        loop.argtypes, loop.restype = [ctypes.c_long, ctypes.c_float, ctypes.c_float], ctypes.c_float
        flops = ctypes.c_long.in_dll(self._library, f"{precision}_flops").value
        # ctypes lets go of Python's lock during a call, so the loops do run at once.
        with ThreadPoolExecutor(max(1, threads - 1)) as pool:
            start = time.perf_counter()
            others = [pool.submit(loop, self.TURNS, 0.5, 1.0) for _ in range(threads - 1)]
            loop(self.TURNS, 0.5, 1.0)
            wait(others)
            taken = time.perf_counter() - start
        return threads * self.TURNS * flops / taken / 1e9
