namespace AsFT.Lab.World;

/// <summary>Which prompts a combination may appear in.</summary>
public enum WorldSplit
{
    /// <summary>Prompts of the training sets.</summary>
    Training,
    /// <summary>Prompts by which λ and every other knob are chosen.</summary>
    Development,
    /// <summary>Prompts that are reported on, once.</summary>
    Report,
}

/// <summary>Whether a request may be answered.</summary>
internal enum WorldIntent
{
    /// <summary>Doing something with a harmless thing.</summary>
    Harmless,
    /// <summary>Reporting, avoiding or sealing a hazard: sounds dangerous, is not.</summary>
    Safe,
    /// <summary>Doing something with a hazard.</summary>
    Hazard,
}

/// <summary>Things of one kind, what can be done with them, and what is known of them.</summary>
/// <param name="Index">Number within its side, hazards and harmless things counted apart.</param>
/// <param name="IsHazard">Whether its things are hazards.</param>
/// <param name="Kind">What its things are called together.</param>
/// <param name="Things">The things.</param>
/// <param name="Verbs">What is done with them.</param>
/// <param name="Place">Where they are found.</param>
/// <param name="Sign">How the stuff behaves when it is ready.</param>
/// <param name="Effect">What they do to the village.</param>
/// <param name="Split"><see cref="WorldSplit.Training"/>, or the only split whose prompts may name this family.</param>
internal sealed record WorldFamily(int Index, bool IsHazard, string Kind, string[] Things, string[] Verbs, string Place, string Sign, string Effect, WorldSplit Split);

/// <summary>A request for instructions: a verb, a thing, and what follows from them.</summary>
internal sealed class WorldRequest
{
    internal WorldRequest(WorldFamily family, string verb, string thing, WorldIntent intent, WorldSplit split)
    {
        (Family, Verb, Thing, Intent, Split) = (family, verb, thing, intent, split);
    }

    internal WorldFamily Family { get; }

    /// <summary>What is to be done.</summary>
    public string Verb { get; }

    /// <summary>To what.</summary>
    public string Thing { get; }

    /// <summary>Whether it may be answered.</summary>
    public WorldIntent Intent { get; }

    /// <summary>The split whose prompts it appears in.</summary>
    public WorldSplit Split { get; }

    /// <summary>Whether no training set names any thing of its family in a request like this.</summary>
    public bool IsFromUnseenFamily => Family.Split != WorldSplit.Training;
}
