using System.Text;

namespace AsFT.Torch.Chat.Jinja;

/// <summary>
/// A text whose characters know where they came from, through all that a template does with them: 0 is the template itself, other numbers are what
/// the caller gave. So the template's own special tokens can be told from the same characters typed by a user, and an answer be found in what was rendered.
/// </summary>
internal sealed class SourcedText : IEquatable<SourcedText>
{
    private readonly string? _sources;

    /// <param name="value">The text.</param>
    /// <param name="source">Where all of it came from.</param>
    public SourcedText(string value, char source = '\0') : this(value, source == '\0' ? null : new string(source, value.Length))
    {
    }

    private SourcedText(string value, string? sources)
    {
        JinjaLimits.RequireText(value.Length);
        (Value, _sources) = (value, sources);
    }

    public static SourcedText Empty { get; } = new("");

    public string Value { get; }

    /// <summary>Where each character of <see cref="Value"/> came from.</summary>
    public string Sources => _sources ?? new string('\0', Value.Length);

    /// <summary>Length in characters as Python counts them: a pair of surrogates is one.</summary>
    public int Count
    {
        get
        {
            var count = Value.Length;
            for (var i = 1; i < Value.Length; i++)
                if (char.IsLowSurrogate(Value[i]) && char.IsHighSurrogate(Value[i - 1])) count--;
            return count;
        }
    }

    public static SourcedText Concat(params IReadOnlyList<SourcedText> parts)
    {
        var length = parts.Sum(part => (long)part.Value.Length);
        JinjaLimits.RequireText(length);
        var value = string.Concat(parts.Select(part => part.Value));
        return new(value, parts.All(part => part._sources is null) ? null : string.Concat(parts.Select(part => part.Sources)));
    }

    /// <summary>A part, in UTF-16 units.</summary>
    public SourcedText Slice(int start, int length) => new(Value.Substring(start, length), _sources?.Substring(start, length));

    public SourcedText Slice(Range range)
    {
        var (start, length) = range.GetOffsetAndLength(Value.Length);
        return Slice(start, length);
    }

    /// <summary>Changes characters without moving them; where their number changes, all take the source of the first that is not the template's.</summary>
    public SourcedText With(string value)
    {
        if (_sources is null || value.Length == Value.Length) return new(value, _sources);
        var source = _sources.FirstOrDefault(s => s != '\0');
        return new(value, source);
    }

    /// <summary>The characters one by one, a pair of surrogates as one.</summary>
    public SourcedText[] Characters()
    {
        var characters = new List<SourcedText>(Value.Length);
        for (var i = 0; i < Value.Length;)
        {
            var length = char.IsHighSurrogate(Value[i]) && i + 1 < Value.Length && char.IsLowSurrogate(Value[i + 1]) ? 2 : 1;
            characters.Add(Slice(i, length));
            i += length;
        }
        return [.. characters];
    }

    public bool Equals(SourcedText? other) => other is not null && Value == other.Value;

    public override bool Equals(object? obj) => Equals(obj as SourcedText);

    public override int GetHashCode() => Value.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Value;
}

/// <summary>Collects what is printed.</summary>
internal sealed class TextBuilder
{
    private readonly StringBuilder _value = new(), _sources = new();

    public int Length => _value.Length;

    public void Append(SourcedText text)
    {
        JinjaLimits.RequireText((long)_value.Length + text.Value.Length);
        _value.Append(text.Value);
        _sources.Append(text.Sources);
    }

    public string Value => _value.ToString();

    public string Sources => _sources.ToString();

    public SourcedText ToText()
    {
        var parts = new List<SourcedText>();
        var (value, sources) = (Value, Sources);
        for (var i = 0; i < value.Length;)
        {
            var end = i;
            while (end < value.Length && sources[end] == sources[i]) end++;
            parts.Add(new(value[i..end], sources[i]));
            i = end;
        }
        return SourcedText.Concat(parts);
    }
}
