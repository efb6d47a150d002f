using AsFT.MLNet.Benchmarks.Harness.Machines;
using AsFT.MLNet.Benchmarks.Harness.Workloads;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Rows;

/// <summary>Greedy decoding: each token reads every weight once, so a copy's speed is its limit at batch 1, and a batch shares the reading.</summary>
internal sealed class DecodingBenchmark : Benchmark
{
    private const int Rows = 16;

    public override string Name => "decoding";

    public override string Description => "greedy decoding of the 110M shape against reading its weights, and batch 16 against batch 1";

    public override IEnumerable<BenchRow> Measure(BenchContext context)
    {
        var config = LlamaShapes.Stories110M with { LayerCount = context.Settings.Layers ?? LlamaShapes.Stories110M.LayerCount };
        using var model = CausalLanguageModel.Create(config, context.Settings.Placement, seed: 1);
        var generator = new TextGenerator(model, new NumberTokenizer(config.VocabularySize));
        var options = new GenerationOptions { MaxNewTokens = context.Settings.IsLong ? 128 : 32, BatchSize = Rows };
        int[][] prompts = [.. Enumerable.Range(1, Rows).Select(id => new[] { id })];
        var device = context.Settings.Placement.Device;
        var (from, to) = (zeros(Ceilings.CopyBytes / 4, ScalarType.Float32, device), zeros(Ceilings.CopyBytes / 4, ScalarType.Float32, device));
        var timed = context.Compare(1.5,
            () => generator.Generate(prompts[..1], options),
            () => generator.Generate(prompts, options),
            () => { using (no_grad()) to.copy_(from); });

        // The embedding is read as the head; every other weight once.
        var bytes = LlamaShapes.ParameterCount(config) * (double)model.Weights().First().Value.element_size();
        var copied = 2.0 * Ceilings.CopyBytes / timed.Seconds(2);
        var (single, batch) = (options.MaxNewTokens / timed.Seconds(0), Rows * options.MaxNewTokens / timed.Seconds(1));
        var share = bytes * single / copied;
        var scale = share / timed.Ratio(2, 0);
        yield return new BenchRow($"greedy decoding, batch 1 ({bytes / 1e6:0} MB of weights)", single, copied / bytes, share, "≥ 0.6 of copy bandwidth", share >= 0.6, share, "tokens/s")
        {
            Spread = new(scale * timed.Spread(2, 0).Low, scale * timed.Spread(2, 0).High),
            Note = $"{timed.Rounds} rounds of {options.MaxNewTokens} tokens; {bytes * single / 1e9:0.0} GB/s of weights against a copy's {copied / 1e9:0.0} GB/s read and written",
        };
        yield return new BenchRow($"greedy decoding, batch {Rows} against batch 1", batch, single, Rows * timed.Ratio(0, 1), "≥ 8× tokens/s", Rows * timed.Ratio(0, 1) >= 8,
            Flops(config, batch) / context.Ceilings.Gemms.Max(gemm => gemm.FlopsPerSecond), "tokens/s")
        {
            Spread = new(Rows * timed.Spread(0, 1).Low, Rows * timed.Spread(0, 1).High),
            Note = $"{Flops(config, batch) / 1e9:0.0} GFLOP/s at batch {Rows}; the limit is the best matrix product of the machine",
        };
    }

    private static double Flops(ModelConfig config, double tokensPerSecond) => 2.0 * LlamaShapes.ParameterCount(config) * tokensPerSecond;
}
