namespace AsFT.MLNet.FineTuning;

/// <summary>
/// Marks options of the engine that a class holds: their public properties become public properties of the class (written while
/// it is compiled, by <c>AsFT.MLNet.Generators</c>), so that each is declared once.
/// </summary>
/// <param name="except">Properties that are left out, or that the class declares itself.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class FlatAttribute(params string[] except) : Attribute
{
    public IReadOnlyList<string> Except { get; } = except;
}
