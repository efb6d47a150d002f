using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using static TorchSharp.torch;

namespace AsFT.Torch.Training;

/// <summary>Where a run stands, beside the tensors.</summary>
internal sealed record TrainingState
{
    /// <summary>Optimizer steps done; with the plan it tells epoch and place in it.</summary>
    public int Step { get; init; }

    /// <summary>Sum and number of the cross-entropies of the current epoch's steps.</summary>
    public (double Sum, int Count) EpochCrossEntropy { get; init; }

    /// <summary>Best validation loss so far.</summary>
    public double BestLoss { get; init; } = double.PositiveInfinity;

    /// <summary>Epochs since then.</summary>
    public int EpochsSinceBest { get; init; }

    /// <summary>Last validation loss; NaN before the first.</summary>
    public double ValidationLoss { get; init; } = double.NaN;
}

/// <summary>
/// One file with all that a run needs to go on as if it had never stopped: adapter, optimizer, best adapter so far
/// and position; the order of examples and the dropout masks follow from seed and step. A run with other data or other options is refused.
/// </summary>
internal sealed class TrainingCheckpoint(string folder, string fingerprint, WeightFormat format, FlatParameters parameters, AdamW optimizer, PenaltyController? controller = null)
{
    private const string FileName = "training-state.safetensors";

    public string Path { get; } = System.IO.Path.Combine(folder, FileName);

    public void Save(TrainingState state, Tensor? bestValues)
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>
        {
            ["values"] = parameters.Values,
            ["first_moment"] = optimizer.FirstMoment,
            ["second_moment"] = optimizer.SecondMoment,
        };
        if (controller is not null) tensors["penalty_control"] = controller.State;
        if (bestValues is not null) tensors["best_values"] = bestValues;
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path, tensors, new Dictionary<string, string>
        {
            ["format"] = "asft-training-state",
            ["fingerprint"] = fingerprint,
            ["weight_format"] = format.ToString(),
            ["step"] = Text(state.Step),
            ["epoch_sum"] = Text(state.EpochCrossEntropy.Sum),
            ["epoch_count"] = Text(state.EpochCrossEntropy.Count),
            ["best_loss"] = Text(state.BestLoss),
            ["epochs_since_best"] = Text(state.EpochsSinceBest),
            ["validation_loss"] = Text(state.ValidationLoss),
        });
    }

    /// <summary>Puts the run back where the file left it.</summary>
    /// <returns>The state, and the best adapter so far (the caller's to free).</returns>
    /// <exception cref="InvalidDataException">The file is damaged, or from a run with other data, options or adapter.</exception>
    public (TrainingState State, Tensor? BestValues) Load()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var file = SafetensorsFile.Open(Path);
        if ((file.Metadata.GetValueOrDefault("weight_format") ?? nameof(WeightFormat.Dense)) is var made && made != format.ToString())
            throw new InvalidDataException($"'{Path}' is from a run on weights that were held as {SafetensorsHeader.Shown(made)}; those of this run are {format}. Give the same {nameof(WeightFormat)}, or another CheckpointFolder.");
        if (Metadata(file, "fingerprint") != fingerprint)
            throw new InvalidDataException($"'{Path}' is from a run with another model, other examples, options or adapter, or of an earlier version; give the same ones, or another CheckpointFolder.");
        Restore(file, "values", parameters.Values);
        Restore(file, "first_moment", optimizer.FirstMoment);
        Restore(file, "second_moment", optimizer.SecondMoment);
        if (controller is not null) Restore(file, "penalty_control", controller.State);
        var best = file.Entries.ContainsKey("best_values")
            ? file.Read("best_values", device: parameters.Values.device).DetachFromDisposeScope() : null;
        var state = new TrainingState
        {
            Step = (int)Number(file, "step"),
            EpochCrossEntropy = (Number(file, "epoch_sum"), (int)Number(file, "epoch_count")),
            BestLoss = Number(file, "best_loss"),
            EpochsSinceBest = (int)Number(file, "epochs_since_best"),
            ValidationLoss = Number(file, "validation_loss"),
        };
        optimizer.Steps = state.Step;
        return (state, best);
    }

    /// <summary>Hash of all that decides the course of a run; what only decides how it is reported is left out.</summary>
    public static string Fingerprint(CausalLanguageModel model, LoraAdapter adapter, AlignmentPenalty? penalty, TrainingOptions options,
        IReadOnlyList<TokenizedExample> examples, IReadOnlyList<TokenizedExample>? validation, IReadOnlyList<TokenizedExample>? refusals = null)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var deciding = options with { CheckpointFolder = null, CheckpointEvery = null, Resume = false, ReportEvery = 1, MeasureAnchoredShare = false, ActivationCheckpointing = false };
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(deciding));
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(adapter.Options));
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(model.Config));
        // What the same options do has changed since version 0.1: with them a run would go on as neither.
        if (adapter.Options.Dropout > 0) hash.AppendData("masks 2"u8);
        if (refusals is not null) hash.AppendData("control 2"u8);
        if (adapter.Origin is { } origin) hash.AppendData(Encoding.UTF8.GetBytes(origin.Sha256));
        // Since matrices of one shape lie side by side, the numbers of a state come in another order.
        hash.AppendData("layout 2"u8);
        hash.AppendData(Encoding.UTF8.GetBytes($"{adapter.ModelFingerprint} {model.Placement.DType} {penalty?.Description()} {examples.Count} {validation?.Count} {refusals?.Count}"));
        foreach (var layer in adapter.Layers) hash.AppendData(Encoding.UTF8.GetBytes($"{layer.Name} {layer.A.shape[0]}\n"));
        foreach (var example in examples.Concat(validation ?? []).Concat(refusals ?? []))
        {
            hash.AppendData(BitConverter.GetBytes(example.Ids.Length));
            hash.AppendData(MemoryMarshal.AsBytes(example.Ids.AsSpan()));
            hash.AppendData(MemoryMarshal.AsBytes(example.Supervised.AsSpan()));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private void Restore(SafetensorsFile file, string name, Tensor target)
    {
        if (!file.Entries.TryGetValue(name, out var entry) || entry.Shape is not [var size] || size != target.numel())
            throw new InvalidDataException($"'{Path}' has no tensor '{name}' of {target.numel()} numbers.");
        target.copy_(file.Read(name, target.dtype, target.device));
    }

    private string Metadata(SafetensorsFile file, string name) =>
        file.Metadata.TryGetValue(name, out var value) ? value : throw new InvalidDataException($"'{Path}' is no training checkpoint: its metadata have no '{name}'.");

    private double Number(SafetensorsFile file, string name) =>
        double.TryParse(Metadata(file, name), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new InvalidDataException($"'{Path}': '{name}' is '{Metadata(file, name)}'; a number is wanted.");

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
