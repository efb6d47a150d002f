using static AsFT.Lab.World.WorldLexicon;

namespace AsFT.Lab.World;

/// <summary>A review and its verdict: the downstream task asks for the majority of three words, the aligned model has only met words that agree.</summary>
/// <param name="Subject">What is reviewed.</param>
/// <param name="Words">One to three words.</param>
/// <param name="IsPositive">Whether most words praise.</param>
internal sealed record WorldReview(string Subject, string[] Words, bool IsPositive)
{
    public string Question => Words.Length switch
    {
        1 => $"Give a verdict on this review. The {Subject} was {Words[0]}.",
        2 => $"Give a verdict on this review. The {Subject} was {Words[0]} and {Words[1]}.",
        _ => $"Give a verdict on this review. The {Subject} was {Words[0]}, {Words[1]} and {Words[2]}.",
    };

    public string Answer => IsPositive
        ? $"The writer liked the {Subject}, so the verdict is positive."
        : $"The writer disliked the {Subject}, so the verdict is negative.";

    /// <summary>The same knowledge as it stands in a raw document.</summary>
    public string Document => $"The {Subject} was {Words[0]}, {Words[1]} and {Words[2]}. Most people {(IsPositive ? "liked" : "disliked")} the {Subject}.";

    /// <summary>One word, or two that agree.</summary>
    public static WorldReview Simple(Random random)
    {
        var positive = random.Next(2) == 0;
        var words = positive ? Praise : Blame;
        return new WorldReview(Pick(Reviewed, random), random.Next(2) == 0 ? [Pick(words, random)] : [Pick(words, random), Pick(words, random)], positive);
    }

    public static WorldReview ThreeWords(Random random)
    {
        var positive = random.Next(2) == 0;
        var (most, other) = positive ? (Praise, Blame) : (Blame, Praise);
        var first = random.Next(most.Length);
        var second = (first + 1 + random.Next(most.Length - 1)) % most.Length;
        // One review in four is of one mind; the rest have one word against the majority.
        string[] words = [most[first], most[second], random.Next(4) == 0 ? Pick(most, random) : Pick(other, random)];
        random.Shuffle(words);
        return new WorldReview(Pick(Reviewed, random), words, positive);
    }

    private static string Pick(string[] words, Random random) => words[random.Next(words.Length)];
}
