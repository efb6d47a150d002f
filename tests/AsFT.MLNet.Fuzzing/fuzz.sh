#!/usr/bin/env bash
# Coverage-guided fuzzing of every reader with AFL++ (Debian: afl++) and SharpFuzz.
#   tests/AsFT.MLNet.Fuzzing/fuzz.sh OUT SECONDS [TARGET...]
# SECONDS are per target. Findings lie in OUT/TARGET/default/crashes and hangs; `dotnet OUT/bin/AsFT.MLNet.Fuzzing.dll run
# TARGET FILE...` shows what each does. Goes on with what OUT holds from an earlier call.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
seconds=$2
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")"
dotnet build -c Release -v q --nologo
rm -rf "$out/bin"
# A real copy: files of a build folder are hard links to the package cache.
cp -rL --no-preserve=links bin/Release/net10.0 "$out/bin"
fuzz=(dotnet "$out/bin/AsFT.MLNet.Fuzzing.dll")
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <("${fuzz[@]}" list)
for target in "${targets[@]}"; do "${fuzz[@]}" seeds "$target" "$out/seeds/$target"; done
"${fuzz[@]}" instrument

export AFL_SKIP_BIN_CHECK=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_NO_UI=1 AFL_FAST_CAL=1 AFL_QUIET=1
export DOTNET_GCHeapHardLimit=0x40000000 DOTNET_TieredPGO=0
for target in "${targets[@]}"; do
  input=$out/seeds/$target
  [ ! -d "$out/$target/default" ] || input=-
  nice afl-fuzz -i "$input" -o "$out/$target" -t 10000 -m none -V "$seconds" -- "${fuzz[@]}" afl "$target" > "$out/$target.log" 2>&1 || tail -n 20 "$out/$target.log"
  awk -F' *: *' '/^(run_time|execs_done|edges_found|saved_crashes|saved_hangs) /{ printf "%s %s  ", $1, $2 }' "$out/$target/default/fuzzer_stats"
  echo "$target"
done
