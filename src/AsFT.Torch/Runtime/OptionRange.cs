using System.Globalization;

namespace AsFT.Torch.Runtime;

/// <summary>
/// What a numeric option may be, and why: the one place that decides, for the engine's options and for those of the ML.NET surface.
/// The ends are where arithmetic in float32 loses or breaks the run; within them a value may still be unwise.
/// </summary>
/// <param name="Least">Smallest value.</param>
/// <param name="Most">Largest value.</param>
/// <param name="Reason">What happens outside.</param>
internal sealed record OptionRange(double Least, double Most, string Reason)
{
    /// <summary>Peak learning rate.</summary>
    public static OptionRange LearningRate { get; } = new(1e-12, 1e30, "AdamW moves every number by about the rate in each step; less is lost in float32, and more overflows it");

    /// <summary>Factor on the learning rate per epoch.</summary>
    public static OptionRange EpochDecay { get; } = new(1e-3, 1, "a smaller factor ends learning after the first epoch, a larger one lets the rate grow without end");

    /// <summary>Share of the steps over which the learning rate rises.</summary>
    public static OptionRange WarmupRatio { get; } = new(0, 1, "it is a share of the run, which must come to its peak") { ExcludesMost = true };

    /// <summary>Learning rate at the end of a schedule.</summary>
    public static OptionRange MinLearningRate { get; } = new(0, 1e30, "it is a learning rate, or 0");

    /// <summary>Power of a polynomial schedule.</summary>
    public static OptionRange Power { get; } = new(0.01, 100, "beyond, the rate falls in one step");

    /// <summary>AdamW's decoupled weight decay; see <see cref="CheckDecay"/> for its product with the rate.</summary>
    public static OptionRange WeightDecay { get; } = new(0, 1e6, "it pulls weights towards 0");

    /// <summary>AdamW's β₁ and β₂.</summary>
    public static OptionRange Beta { get; } = new(0, 0.9999999, "closer to 1, float32 keeps nothing of a new gradient");

    /// <summary>AdamW's ε.</summary>
    public static OptionRange Epsilon { get; } = new(1e-30, 1, "a smaller one is 0 in float32, and a gradient of 0 then divides by 0; a larger one leaves no step");

    /// <summary>Largest norm of the gradient.</summary>
    public static OptionRange MaxGradientNorm { get; } = new(1e-6, 1e30, "a gradient clipped below AdamW's epsilon moves nothing");

    /// <summary>λ, the weight of a penalty.</summary>
    public static OptionRange PenaltyWeight { get; } = new(1e-12, 1e12, "a smaller one is lost beside the cross-entropy in float32, a larger one overflows; 0 is no penalty") { AllowsZero = true };

    /// <summary>Nats per token that refusals may lose.</summary>
    public static OptionRange RefusalTolerance { get; } = new(1e-7, 100, "float32 tells no smaller difference of two losses, and a larger one allows everything");

    /// <summary>Numerator of LoRA's scale.</summary>
    public static OptionRange Alpha { get; } = new(1e-6, 1e6, "beyond, the adapter's answer is lost beside the model's or drowns it");

    /// <summary>Probability of dropping an input feature.</summary>
    public static OptionRange Dropout { get; } = new(0, 0.99, "what is kept is divided by 1 minus this; too little is kept above");

    /// <summary>Share of a direction's squared norm that a subspace holds.</summary>
    public static OptionRange SubspaceEnergy { get; } = new(1e-6, 1, "it is a share of the direction's squared norm");

    /// <summary>Power of the guard projection.</summary>
    public static OptionRange GuardPower { get; } = new(1, 4, "higher powers overflow");

    /// <summary>Sampling temperature.</summary>
    public static OptionRange Temperature { get; } = new(1e-3, 100, "0 decodes greedily; between, scores overflow, and above, every token is as good as another") { AllowsZero = true };

    /// <summary>Probability mass that sampling keeps.</summary>
    public static OptionRange TopP { get; } = new(1e-6, 1, "it is a share of the probability");

    /// <summary>Factor on the scores of tokens that are there already.</summary>
    public static OptionRange RepetitionPenalty { get; } = new(1e-2, 100, "1 is off; beyond, scores lose their order");

    /// <summary>A probability above which something counts.</summary>
    public static OptionRange Threshold { get; } = new(0, 1, "no probability lies above 1") { ExcludesMost = true };

    /// <summary>A coordinate along a direction, in multiples of its length.</summary>
    public static OptionRange BasinCoordinate { get; } = new(-1000, 1000, "farther out nothing of the model is left");

    /// <summary>A share of rows.</summary>
    public static OptionRange Share { get; } = new(0, 1, "it is a share, of which something must be left") { ExcludesMost = true };

    /// <summary>Epochs, steps, ranks, rows of a batch and other counts.</summary>
    public static OptionRange Count { get; } = new(1, int.MaxValue, "fewer do nothing");

    /// <summary>Whether 0, which switches something off, is allowed beside the range.</summary>
    public bool AllowsZero { get; init; }

    /// <summary>Whether the largest value itself is outside.</summary>
    public bool ExcludesMost { get; init; }

    /// <summary>Whether a value is allowed; NaN never is.</summary>
    /// <param name="value">The value.</param>
    public bool Holds(double value) => AllowsZero && value == 0 || value >= Least && (ExcludesMost ? value < Most : value <= Most);

    /// <summary>Refuses a value outside the range; null passes.</summary>
    /// <param name="value">The value, or null where the option is not set.</param>
    /// <param name="option">Name of the option.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is outside; names the option, the range and the reason.</exception>
    public void Check(double? value, string option)
    {
        if (value is { } number && !Holds(number)) throw new ArgumentOutOfRangeException(option, value, $"{option} must be {this}: {Reason}.");
    }

    /// <summary>Refuses a decay that turns weights round: a step multiplies them by 1 − rate · decay.</summary>
    /// <param name="rate">Peak learning rate.</param>
    /// <param name="decay">Weight decay.</param>
    /// <param name="option">Name of the decay's option.</param>
    /// <exception cref="ArgumentOutOfRangeException">Their product is 1 or more.</exception>
    public static void CheckDecay(double rate, double decay, string option)
    {
        if (rate * decay >= 1)
            throw new ArgumentOutOfRangeException(option, decay, string.Create(CultureInfo.InvariantCulture, $"{option} must be below {1 / rate:G4} with a learning rate of {rate:G4}: a step multiplies the weights by 1 - rate * decay, which must stay above 0."));
    }

    /// <summary>The range in words.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(AllowsZero && Least > 0 ? "0, or " : "")}{(Most >= int.MaxValue && Least == Math.Floor(Least) && !ExcludesMost ? $"at least {Least}" : $"from {Least:G} to {(ExcludesMost ? "below " : "")}{Most:G}")}");
}
