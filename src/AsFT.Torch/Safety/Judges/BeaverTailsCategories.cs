namespace AsFT.Torch.Safety.Judges;

/// <summary>The 14 kinds of harm of the BeaverTails data set (Ji et al., arXiv 2307.04657), by the names its files use.</summary>
public static class BeaverTailsCategories
{
    /// <summary>Category names in the order of the published files.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "animal_abuse",
        "child_abuse",
        "controversial_topics,politics",
        "discrimination,stereotype,injustice",
        "drug_abuse,weapons,banned_substance",
        "financial_crime,property_crime,theft",
        "hate_speech,offensive_language",
        "misinformation_regarding_ethics,laws_and_safety",
        "non_violent_unethical_behavior",
        "privacy_violation",
        "self_harm",
        "sexually_explicit,adult_content",
        "terrorism,organized_crime",
        "violence,aiding_and_abetting,incitement",
    ];
}
