using AsFT.Torch.Runtime;

namespace AsFT.Lab.Methods.Lisa;

/// <summary>Options of <see cref="LisaTrainer"/>; K₁, K₂ and ρ of the paper, with its values as defaults.</summary>
public sealed record LisaOptions
{
    /// <summary>K₁: steps on the alignment data before each turn of the task, at least 1.</summary>
    public int AlignmentSteps { get; init; } = 100;

    /// <summary>K₂: steps on the task before each turn of the alignment data, at least 1.</summary>
    public int TaskSteps { get; init; } = 900;

    /// <summary>ρ: weight of the proximal term ρ/2·‖w − w′‖², at least 0; 0 is plain bi-state optimization.</summary>
    public double ProximalWeight { get; init; } = 1;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; names it.</exception>
    public void Validate()
    {
        OptionRange.Count.Check(AlignmentSteps, nameof(AlignmentSteps));
        OptionRange.Count.Check(TaskSteps, nameof(TaskSteps));
        OptionRange.PenaltyWeight.Check(ProximalWeight, nameof(ProximalWeight));
    }
}
