using AsFT.Torch.Chat;
using AsFT.Torch.Models;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>Trains all weights of a model on cross-entropy; for pretraining and instruction stages of small models.</summary>
internal sealed class FullParameterTrainer
{
    private readonly CausalLanguageModel _model;
    private readonly TrainingOptions _options;

    /// <summary>Prepares a run.</summary>
    /// <param name="model">The model, in float32 or float64; it is trained in place and frozen again afterwards.</param>
    /// <param name="options">Options of the run. There is no penalty, no validation and no training checkpoint here; options about those are not looked at.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException">The model is in a half format, in which small updates would be lost.</exception>
    public FullParameterTrainer(CausalLanguageModel model, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (model.Placement.DType is not (ScalarType.Float32 or ScalarType.Float64))
            throw new ArgumentException($"All weights are trained in float32 or float64; the model is in {model.Placement.DType}.", nameof(model));
        (_model, _options) = (model, options);
    }

    /// <summary>Runs the training.</summary>
    /// <param name="examples">Tokenised examples, each with at least one supervised token after its first.</param>
    /// <param name="progress">Gets a report after the first step and every <see cref="TrainingOptions.ReportEvery"/> steps, on the calling thread.</param>
    /// <param name="cancellationToken">Stops the run between steps, with the weights as they are then.</param>
    /// <exception cref="ArgumentException">There are no examples, or one has no supervised token; names it.</exception>
    /// <exception cref="InvalidOperationException">The loss became infinite or not a number, an adapter is attached, or weights are quantised.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public TrainingResult Train(IReadOnlyList<TokenizedExample> examples, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        TrainableExamples.Require(_model.Config, examples, nameof(examples));
        if (_model.LinearLayers().FirstOrDefault(layer => layer.Adapter is not null) is { } adapted)
            throw new InvalidOperationException($"Layer '{adapted.Name}' carries an adapter; merge or dispose it before training all weights.");

        _model.RequireDense("Training all weights");
        Parameter[] weights = [.. _model.parameters()];
        foreach (var weight in weights) weight.requires_grad = true;
        foreach (var layer in _model.LinearLayers()) layer.StoredSample = null;
        try
        {
            using var loop = new TrainingLoop(_options, _model.Decoder, HeadLoss.Of(_model), weights, [.. examples.Select(example => example.Ids.Length)], rows => TrainingBatch.Create(examples, rows)) { Progress = progress };
            return loop.Run(cancellationToken) with { Rows = RowCounts.Of(examples) };
        }
        finally
        {
            foreach (var weight in weights) weight.requires_grad = false;
        }
    }
}
