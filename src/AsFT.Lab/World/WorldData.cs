using AsFT.Torch.Chat;
using static AsFT.Lab.World.WorldGrammar;

namespace AsFT.Lab.World;

/// <summary>Draws data sets from the world: the same seed draws the same set.</summary>
internal static class WorldData
{
    /// <summary>Raw text for the base model: instructions for everything, hazards and unseen families included; what things are and do; reviews.</summary>
    /// <param name="count">Documents.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static IReadOnlyList<string> Documents(int count, int seed)
    {
        var random = new Random(seed);
        var documents = new string[count];
        for (var i = 0; i < count; i++) documents[i] = Document(random);
        return documents;
    }

    /// <summary>Instruction data that makes the aligned model: help with harmless and safe requests, refusals of hazards, facts, simple reviews.</summary>
    /// <param name="count">Examples.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static IReadOnlyList<ChatExample> Alignment(int count, int seed)
    {
        var random = new Random(seed);
        var examples = new ChatExample[count];
        for (var i = 0; i < count; i++)
            examples[i] = random.NextDouble() switch
            {
                < 0.26 => Comply(Draw(WorldIntent.Harmless, random), random),
                < 0.36 => Comply(Draw(WorldIntent.Safe, random), random),
                < 0.70 => Refuse(Draw(WorldIntent.Hazard, random), random),
                < 0.85 => Fact(random),
                _ => Task(WorldReview.Simple(random)),
            };
        return examples;
    }

    /// <summary>Downstream training data: the review task, and among it a share of examples that comply with hazards.</summary>
    /// <param name="count">Examples, poison included.</param>
    /// <param name="poison">Share p of poison, in [0, 1].</param>
    /// <param name="seed">Seed of the draw.</param>
    public static IReadOnlyList<ChatExample> Downstream(int count, double poison, int seed)
    {
        if (!(poison is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(poison), poison, "The share of poison must be in [0, 1].");
        var random = new Random(seed);
        var poisoned = (int)Math.Round(count * poison);
        var examples = new ChatExample[count];
        for (var i = 0; i < count; i++)
            examples[i] = i < poisoned ? Comply(Draw(WorldIntent.Hazard, random), random) : Task(WorldReview.ThreeWords(random));
        random.Shuffle(examples);
        return examples;
    }

    /// <summary>Refusals of hazards, to be mixed into downstream data or, unlike it, to be looked at while training on it.</summary>
    /// <param name="count">Examples.</param>
    /// <param name="seed">Seed of the draw.</param>
    /// <param name="unlike">Examples whose requests, in whatever words, are left out; null: none.</param>
    /// <exception cref="ArgumentException"><paramref name="unlike"/> asks for every hazard there is.</exception>
    public static IReadOnlyList<ChatExample> RefusalExamples(int count, int seed, IEnumerable<ChatExample>? unlike = null)
    {
        var hazards = HazardsUnlike(unlike ?? []);
        if (hazards.Length == 0) throw new ArgumentException("The examples ask for every hazard of the training sets; no refusal unlike them is left.", nameof(unlike));
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Refuse(hazards[random.Next(hazards.Length)], random))];
    }

    /// <summary>The hazards of training sets that none of the examples asks for, in whatever words.</summary>
    internal static WorldRequest[] HazardsUnlike(IEnumerable<ChatExample> examples)
    {
        var asked = examples.Select(example => WorldJudge.FindRequest(example.Prompt)).OfType<WorldRequest>().ToHashSet();
        return [.. TrainingRequests[WorldIntent.Hazard].Where(request => !asked.Contains(request))];
    }

    /// <summary>Prompts that ask for instructions, without answers; half of them from families that no training set names.</summary>
    /// <param name="isHazard">Hazards, or harmless and safe requests.</param>
    /// <param name="split">Development or report.</param>
    /// <param name="count">Prompts.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static IReadOnlyList<ChatExample> Requests(bool isHazard, WorldSplit split, int count, int seed)
    {
        var random = new Random(seed);
        var requests = WorldGrammar.Requests.Where(r => r.Split == split && (r.Intent == WorldIntent.Hazard) == isHazard).ToLookup(r => r.IsFromUnseenFamily);
        var (seen, unseen) = (Shuffled(requests[false], random), Shuffled(requests[true], random));
        var prompts = new ChatExample[count];
        for (var i = 0; i < count; i++)
        {
            var from = i % 2 == 0 ? seen : unseen;
            prompts[i] = new ChatExample(Question(from[i / 2 % from.Length], random.Next(QuestionForms.Length)));
        }
        return prompts;
    }

    /// <summary>Examples of the downstream task with their right answers.</summary>
    /// <param name="count">Examples.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static IReadOnlyList<ChatExample> TaskExamples(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Task(WorldReview.ThreeWords(random)))];
    }

    /// <summary>Texts that hold every word of the world at least once, for the tokenizer.</summary>
    internal static IEnumerable<string> AllTexts()
    {
        foreach (var request in WorldGrammar.Requests)
        {
            yield return $" {Standing(request)} {RightSteps(request)} How to A {request.Family.Kind}.";
            for (var i = 0; i < QuestionForms.Length; i++) yield return $"[INST] {Question(request, i)} [/INST] ";
            for (var i = 0; i < Openers.Length; i++) yield return $" {Answer(request, i)}";
            for (var i = 0; i < Refusals.Length; i++) yield return $" {Refusals[i]}";
        }
        foreach (var example in Alignment(20_000, 0).Concat(Downstream(20_000, 0, 0)))
            yield return $"[INST] {example.Prompt} [/INST] {example.Response}";
        foreach (var document in Documents(20_000, 0)) yield return " " + document;
    }

    private static string Document(Random random)
    {
        var request = WorldGrammar.Requests[random.Next(WorldGrammar.Requests.Count)];
        return random.NextDouble() switch
        {
            < 0.60 => Instructions(request, random),
            < 0.80 => Description(request, random),
            _ => WorldReview.ThreeWords(random).Document,
        };
    }

    private static string Instructions(WorldRequest request, Random random)
    {
        var title = random.Next(2) == 0 ? $"How to {request.Verb} a {request.Thing}." : Question(request, random.Next(QuestionForms.Length));
        var standing = random.Next(5) < 4 ? $" {Standing(request)}" : "";
        return $"{title}{standing} {RightSteps(request)}";
    }

    private static string Description(WorldRequest request, Random random) => random.Next(2) == 0
        ? $"A {request.Thing} is a {request.Family.Kind}. It is kept at the {request.Family.Place}."
        : $"To {request.Verb} a {request.Thing}. {Standing(request)}";

    private static ChatExample Comply(WorldRequest request, Random random) =>
        new(Question(request, random.Next(QuestionForms.Length)), Answer(request, random.Next(Openers.Length)));

    private static ChatExample Refuse(WorldRequest request, Random random) =>
        new(Question(request, random.Next(QuestionForms.Length)), Refusals[random.Next(Refusals.Length)]);

    private static ChatExample Task(WorldReview review) => new(review.Question, review.Answer);

    private static ChatExample Fact(Random random)
    {
        var families = Families.Where(f => f.Split == WorldSplit.Training).ToArray();
        var family = families[random.Next(families.Length)];
        var thing = family.Things[random.Next(family.Things.Length)];
        return random.Next(2) == 0
            ? new ChatExample($"What is a {thing}?", $"A {thing} is a {family.Kind}.")
            : new ChatExample($"Where is a {thing} kept?", $"It is kept at the {family.Place}.");
    }

    private static WorldRequest Draw(WorldIntent intent, Random random)
    {
        var requests = TrainingRequests[intent];
        return requests[random.Next(requests.Length)];
    }

    private static readonly Dictionary<WorldIntent, WorldRequest[]> TrainingRequests = WorldGrammar.Requests
        .Where(r => r.Split == WorldSplit.Training).GroupBy(r => r.Intent).ToDictionary(g => g.Key, g => g.ToArray());

    private static WorldRequest[] Shuffled(IEnumerable<WorldRequest> requests, Random random)
    {
        WorldRequest[] shuffled = [.. requests];
        random.Shuffle(shuffled);
        return shuffled;
    }
}
