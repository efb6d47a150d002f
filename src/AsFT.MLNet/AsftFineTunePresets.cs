using System.Text.Json.Serialization;
using AsFT.Torch.Alignment;
using AsFT.Torch.Training;

namespace AsFT.MLNet;

/// <content>Named sets of options.</content>
public sealed partial class AsftFineTuneOptions
{
    /// <summary>What <see cref="Guard"/> starts λ from, which falls from there and does not have to be tuned.</summary>
    private const double GuardStart = 10;

    /// <summary>Nats per token by which refusals may become less likely under <see cref="Guard"/>.</summary>
    private const double GuardTolerance = 0.003;

    // Setting one of these, be it to its default, is to decide on the penalty.
    private static readonly string[] PenaltyOptions = [nameof(Lambda), nameof(RefusalTolerance), .. typeof(AlignmentPenaltyOptions).GetProperties().Select(option => option.Name)];

    /// <summary>
    /// The named set these options began with: <c>paper</c> or <c>guard</c>; null: none. It is told in reports and saved; options set afterwards count, not the name.
    /// </summary>
    [JsonInclude]
    public string? Preset { get; private set; }

    /// <summary>Names of the sets.</summary>
    public static IReadOnlyList<string> Presets { get; } = ["guard", "paper"];

    /// <summary>
    /// All values of the published method (Yang et al., arXiv 2506.08473, and its code): LoRA r = 8, α = 32, dropout 0.05 on q_proj and v_proj; AdamW at
    /// 5e-5, times 0.85 each epoch, batches of 8, 10 epochs, rows of at most 512 tokens; λ = 1 with C = D·Dᵀ/‖D‖_F; Llama-2's template; greedy answers of at most
    /// 512 tokens. For comparison with published numbers: in the small worlds measured here this projection protects little (README, “Does it keep the model safe?”).
    /// They stay as they are when the defaults change.
    /// </summary>
    /// <returns>New options; set the models' paths, and whatever is to differ.</returns>
    public static AsftFineTuneOptions Paper() => new()
    {
        Preset = "paper",
        Template = "llama2",
        Rank = 8,
        Alpha = 32,
        Dropout = 0.05,
        TargetModules = ["q_proj", "v_proj"],
        UseRsLora = false,
        Lambda = 1,
        Projection = AlignmentProjection.Reference,
        IncludeLoraScale = false,
        Epochs = 10,
        BatchSize = 8,
        LearningRate = 5e-5,
        Schedule = LearningRateSchedule.StepPerEpoch,
        EpochDecay = 0.85,
        WarmupRatio = 0,
        WeightDecay = 0,
        Beta1 = 0.9,
        Beta2 = 0.999,
        Epsilon = 1e-8,
        MaxGradientNorm = null,
        MaxSequenceLength = 512,
        MaxNewTokens = 512,
        Temperature = 0,
    };

    /// <summary>
    /// The penalty that held refusals in what was measured here: it holds the outputs that alignment wrote to (<see cref="AlignmentProjection.Guard"/>), and finds
    /// λ during training by looking at refusals that are not trained on, from 10, so that they lose at most 0.003 nats per token. Measured in small made-up worlds
    /// (README, “Does it keep the model safe?”); on a real model not yet. All else is as the defaults are.
    /// </summary>
    /// <param name="heldOutRefusalsPath">
    /// Instruction file of a few dozen harmful requests and how the aligned model refuses them: <see cref="HeldOutRefusalsPath"/>.
    /// </param>
    /// <returns>New options; set the models' paths, and whatever is to differ.</returns>
    /// <exception cref="ArgumentException">There is no path.</exception>
    public static AsftFineTuneOptions Guard(string heldOutRefusalsPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(heldOutRefusalsPath);
        return new()
        {
            Preset = "guard",
            Projection = AlignmentProjection.Guard,
            Lambda = GuardStart,
            RefusalTolerance = GuardTolerance,
            HeldOutRefusalsPath = heldOutRefusalsPath,
        };
    }

    /// <summary>Whether somebody decided on the penalty: by a preset, or by an option of it, be it to what it is by default.</summary>
    internal bool IsPenaltyChosen => Preset is not null || PenaltyOptions.Any(IsSet);

    /// <summary>How the presets are asked for, where it is not in C#.</summary>
    internal (string Guard, string Paper) PresetWords { get; set; } = ($"{nameof(AsftFineTuneOptions)}.{nameof(Guard)}(refusals)", $"{nameof(AsftFineTuneOptions)}.{nameof(Paper)}()");

    /// <summary>One line for runs in which nobody did: what they get, and what would protect.</summary>
    internal string UnchosenPenalty() =>
        $"Neither a preset nor an option of the penalty is given: this run uses the published penalty (projection Reference, λ = 1), which kept little of the safety in what was measured here. {PresetWords.Guard} held it there; {PresetWords.Paper} says that the published values are meant.";
}
