using AsFT.Torch.Models;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>Shape of a training step.</summary>
/// <param name="Config">The model.</param>
/// <param name="Batch">Sequences, N.</param>
/// <param name="Sequence">Tokens each, T.</param>
/// <param name="Rank">LoRA rank.</param>
internal sealed record TrainingShape(ModelConfig Config, int Batch, int Sequence, int Rank)
{
    /// <summary>The step of the table: 8 layers, d = 1024, 8 × 256 tokens, and LoRA of rank 8 on q_proj and v_proj.</summary>
    public static TrainingShape Step(BenchSettings settings)
    {
        var config = LlamaShapes.OfWidth(settings.Width ?? 1024, settings.Layers ?? 8, 8192);
        return new(config, settings.Batch ?? 8, settings.Sequence ?? 256, settings.Rank);
    }

    public override string ToString() => $"{Config.LayerCount} layers, d = {Config.HiddenSize}, {Batch} × {Sequence} tokens, r = {Rank}";
}
