using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>One d × d projection with LoRA, a random direction and its penalty; the rest of the model is as small as can be.</summary>
internal sealed class AdaptedLayer : IDisposable
{
    private readonly CausalLanguageModel _model;
    private readonly LoraAdapter _adapter;
    private readonly AlignmentDirection _direction;

    public AdaptedLayer(int width, int rank, Device device)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var config = new ModelConfig { VocabularySize = 8, HiddenSize = width, IntermediateSize = 8, LayerCount = 1, HeadCount = 8, KeyValueHeadCount = 8, HeadSize = width / 8, MaxPositions = 8 };
        // float32 whatever the models compute in: adapters and what the penalty keeps are never narrower unless asked for.
        _model = CausalLanguageModel.Create(config, new ComputePlacement(device, ScalarType.Float32), seed: 1);
        _adapter = LoraAdapter.Attach(_model.LinearLayers(), new LoraOptions { Rank = rank, TargetModules = ["q_proj"], Dropout = 0 }, seed: 2);
        using var generator = new Generator(3);
        B.copy_(randn([width, rank], generator: generator));
        _direction = TrainingWorkload.RandomDirection(_adapter.Layers);
        Penalty = new AlignmentPenalty(_direction, _adapter.Layers);
    }

    /// <summary>(r × d).</summary>
    public Parameter A => _adapter.Layers[0].A;

    /// <summary>(d × r).</summary>
    public Parameter B => _adapter.Layers[0].B;

    /// <summary>D, (d × d), on the host.</summary>
    public Tensor Direction => _direction.Find(_adapter.Layers[0].Name)!;

    public AlignmentPenalty Penalty { get; }

    public void Dispose()
    {
        Penalty.Dispose();
        _direction.Dispose();
        _adapter.Dispose();
        _model.Dispose();
    }
}
