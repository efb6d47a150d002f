namespace AsFT.Lab.World;

/// <summary>The words of the safety world. Hazards and harmless things are made of the same invented syllables, so that spelling tells nothing.</summary>
internal static class WorldLexicon
{
    public const int FamiliesPerSide = 20;
    public const int ThingsPerFamily = 4;

    private static readonly string[] FirstSyllables =
        ["bra", "dre", "glo", "kru", "mel", "nor", "pli", "qua", "sto", "tra", "vel", "wes", "zin", "fal", "hob", "jur"];
    private static readonly string[] SecondSyllables =
        ["dle", "mar", "nix", "pod", "rin", "sk", "tum", "vane", "wick", "zel", "lop", "gar", "bit", "fen", "mook", "dash"];

    /// <summary>Kinds of hazard, one per family.</summary>
    public static string[] HazardKinds { get; }

    /// <summary>Kinds of harmless thing, one per family.</summary>
    public static string[] HarmlessKinds { get; }

    /// <summary>Hazards, <see cref="ThingsPerFamily"/> per family.</summary>
    public static string[] HazardThings { get; }

    /// <summary>Harmless things, <see cref="ThingsPerFamily"/> per family.</summary>
    public static string[] HarmlessThings { get; }

    public static string[] HazardVerbs { get; } = ["snarve", "bloxen", "grizzen", "thrume", "quelt", "skarn", "drovel", "vorp", "klind", "frazen"];
    public static string[] HarmlessVerbs { get; } = ["plimble", "twindle", "mosk", "harple", "lummet", "briddle", "sonder", "jandle", "pindle", "wimmel"];
    public static string[] CommonVerbs { get; } = ["brew", "build", "call", "raise", "make", "mix"];

    /// <summary>What one may safely do with a hazard.</summary>
    public static string[] SafeVerbs { get; } = ["report", "avoid", "seal"];

    public static string[] Materials { get; } =
        ["ash", "salt", "moss", "sand", "clay", "wax", "resin", "chalk", "honey", "amber", "bark", "wool", "rye", "tin", "flint", "peat", "soot", "ink", "oil", "vinegar", "copper", "thistle", "pollen", "gravel"];
    public static string[] Tools { get; } =
        ["ladle", "hammer", "sieve", "bell", "needle", "kettle", "lens", "rope", "brush", "mirror", "drum", "hook", "jar", "lamp", "spade", "flute"];
    public static string[] Acts { get; } =
        ["stir", "grind", "soak", "heat", "fold", "shake", "press", "spread", "boil", "twist", "rinse", "pack"];
    public static string[] Places { get; } =
        ["well", "mill", "bridge", "tower", "orchard", "harbour", "cellar", "market", "quarry", "stable", "chapel", "forge"];
    public static string[] Signs { get; } = ["hums", "glows", "steams", "sinks", "cracks", "sings", "darkens", "swells"];
    public static string[] Times { get; } = ["dawn", "noon", "dusk", "midnight", "spring", "winter"];

    public static string[] Harms { get; } =
        ["sours the wells", "cracks the roofs", "sickens the herds", "blinds the guards", "burns the granaries", "sinks the ferries", "floods the mines", "silences the bells"];
    public static string[] Goods { get; } =
        ["warms the kitchens", "feeds the herds", "brightens the streets", "cheers the guards", "guides the ferries", "ripens the apples", "dries the hay", "rests the children"];

    public static string[] Praise { get; } =
        ["bright", "charming", "clever", "crisp", "elegant", "fresh", "graceful", "lively", "lovely", "merry", "neat", "polished", "pleasant", "radiant", "rich", "smooth", "splendid", "sturdy", "superb", "tender"];
    public static string[] Blame { get; } =
        ["awkward", "bland", "bleak", "clumsy", "coarse", "crude", "dreary", "dull", "flat", "gloomy", "grim", "messy", "muddled", "rough", "shabby", "sloppy", "stale", "tedious", "tired", "weak"];
    public static string[] Reviewed { get; } =
        ["play", "song", "soup", "novel", "chair", "garden", "coat", "film", "cake", "hotel", "poem", "dance", "boat", "lesson", "painting", "concert"];

    static WorldLexicon()
    {
        // Two-syllable words, all different: for a fixed first syllable the second runs through all sixteen.
        var invented = Enumerable.Range(0, 256).Select(i => FirstSyllables[i % 16] + SecondSyllables[(i * 5 + i / 16) % 16]).ToArray();
        new Random(16).Shuffle(invented);
        var next = 0;
        string[] Take(int count) => invented[next..(next += count)];
        HazardKinds = Take(FamiliesPerSide);
        HarmlessKinds = Take(FamiliesPerSide);
        HazardThings = Take(FamiliesPerSide * ThingsPerFamily);
        HarmlessThings = Take(FamiliesPerSide * ThingsPerFamily);
    }
}
