namespace AsFT.Torch.Chat.Jinja;

/// <summary>What a template may cost. A checkpoint's template is a stranger's program: it gets no files, no reflection, and an end.</summary>
internal static class JinjaLimits
{
    /// <summary>Characters of a template.</summary>
    public const int Source = 1 << 20;

    /// <summary>Characters of any text a template makes.</summary>
    public const int Text = 1 << 24;

    /// <summary>Entries of any list a template makes.</summary>
    public const int Items = 1 << 20;

    /// <summary>Numbers of a <c>range</c>, as in Jinja's own sandbox.</summary>
    public const int Range = 100_000;

    /// <summary>Steps (loop turns, calls, compared or printed values) of one rendering.</summary>
    public const int Steps = 2_000_000;

    /// <summary>Brackets, blocks, calls or values within one another.</summary>
    public const int Depth = 100;

    public static void RequireText(long length)
    {
        if (length > Text) throw new JinjaException($"a text of more than {Text} characters is made.");
    }

    public static void RequireItems(long count)
    {
        if (count > Items) throw new JinjaException($"a list of more than {Items} entries is made.");
    }
}
