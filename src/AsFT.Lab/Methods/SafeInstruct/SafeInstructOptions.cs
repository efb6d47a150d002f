namespace AsFT.Lab.Methods.SafeInstruct;

/// <summary>Options of mixing refusals into the training data (SafeInstruct; Bianchi et al., arXiv 2309.07875).</summary>
public sealed record SafeInstructOptions
{
    /// <summary>Refusals added, as a share of the training examples; at least 0.</summary>
    public double Share { get; init; } = 0.05;

    internal int CountFor(int examples) => (int)Math.Round(Share * examples);
}
