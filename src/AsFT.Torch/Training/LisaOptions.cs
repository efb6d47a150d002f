namespace AsFT.Torch.Training;

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
        if (AlignmentSteps < 1) throw new ArgumentOutOfRangeException(nameof(AlignmentSteps), AlignmentSteps, "AlignmentSteps must be at least 1.");
        if (TaskSteps < 1) throw new ArgumentOutOfRangeException(nameof(TaskSteps), TaskSteps, "TaskSteps must be at least 1.");
        if (!(ProximalWeight >= 0 && double.IsFinite(ProximalWeight)))
            throw new ArgumentOutOfRangeException(nameof(ProximalWeight), ProximalWeight, "ProximalWeight must be a number of at least 0.");
    }
}
