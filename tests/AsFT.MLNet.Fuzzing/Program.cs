using System.Diagnostics;
using AsFT.MLNet.Fuzzing;
using SharpFuzz;

// fuzz.sh calls this; see there.
switch (args)
{
    // Rewrites our own assemblies in this folder, before anything loads them, so that they report which branches ran.
    case ["instrument"]:
        foreach (var assembly in new[] { "AsFT.Torch.dll", "AsFT.Lab.dll", "AsFT.MLNet.dll" })
            Fuzzer.Instrument(Path.Combine(AppContext.BaseDirectory, assembly), IsReader, Options.Value);
        return 0;

    case ["list"]:
        foreach (var target in FuzzTargets.All) Console.WriteLine(target.Name);
        return 0;

    case ["seeds", var name, var folder]:
        Directory.CreateDirectory(folder);
        foreach (var (file, content) in Named(name).Seeds()) File.WriteAllBytes(Path.Combine(folder, file), content);
        return 0;

    case ["run", var name, .. var files]:
        return files.Count(file => !Reproduce(Named(name), file));

    case ["afl", var name]:
        var fuzzed = Named(name);
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var input = new MemoryStream();
            stream.CopyTo(input);
            try
            {
                fuzzed.Run(input.ToArray());
            }
            catch (Exception e) when (FuzzTarget.IsTold(e))
            {
            }
        });
        return 0;

    default:
        Console.Error.WriteLine("list | instrument | seeds TARGET FOLDER | run TARGET FILE... | afl TARGET");
        return 2;
}

static FuzzTarget Named(string name) => FuzzTargets.All.SingleOrDefault(target => target.Name == name) ?? throw new ArgumentException($"There is no target '{name}'.", nameof(name));

// The readers alone: instrumenting what runs hot (kernels, training) only slows the fuzzer.
static bool IsReader(string type) => new[] { "AsFT.Torch.Checkpoints", "AsFT.Torch.Input", "AsFT.Torch.Models.ModelConfig", "AsFT.Torch.Models.Families", "AsFT.Torch.Models.Rotary", "AsFT.Torch.Tokenization", "AsFT.Torch.Chat", "AsFT.Torch.Adapters", "AsFT.Lab.Comparison", "AsFT.Torch.Alignment.AlignmentDirection", "AsFT.Torch.Alignment.DirectionReader", "AsFT.Torch.Alignment.SpectrumFile", "AsFT.Torch.Safety.Judges.JudgeExample", "AsFT.MLNet.Data", "AsFT.MLNet.Persistence" }
    .Any(prefix => type.StartsWith(prefix, StringComparison.Ordinal));

static bool Reproduce(FuzzTarget target, string file)
{
    var watch = Stopwatch.StartNew();
    var before = GC.GetTotalAllocatedBytes();
    string outcome;
    var isTold = true;
    try
    {
        target.Run(File.ReadAllBytes(file));
        outcome = "read";
    }
    catch (Exception e)
    {
        isTold = FuzzTarget.IsTold(e);
        outcome = isTold ? $"{e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}" : $"NOT TOLD {e}";
    }
    Console.WriteLine($"{Path.GetFileName(file)}: {watch.ElapsedMilliseconds} ms, {(GC.GetTotalAllocatedBytes() - before) >> 10} KiB, {outcome}");
    return isTold;
}
