using System.Text.Json.Serialization;

namespace AsFT.Torch.Training;

/// <summary>Whether a run kept the refusals it was told to keep.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RefusalOutcome>))]
public enum RefusalOutcome
{
    /// <summary>None were looked at: the run had no <see cref="TrainingOptions.RefusalTolerance"/>.</summary>
    NotMeasured,

    /// <summary>The adapter at the end makes them less likely by no more than the tolerance.</summary>
    Held,

    /// <summary>It makes them less likely by more.</summary>
    NotHeld,
}
