using System.Globalization;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>
/// 1024 pairs of prompt and answer lengths in tokens, template included: mean 98, median 84, longest 512, the spread of
/// instruction sets like Alpaca. Drawn once: prompt = 38 + lognormal(median 13, σ = 0.75), answer = lognormal(median 28,
/// σ = 1.02), cut at 512 in all. No text of any data set is in it.
/// </summary>
internal static class AlpacaLikeLengths
{
    public const int Longest = 512;

    /// <summary>The first <paramref name="count"/> pairs; the list begins anew when more are asked for.</summary>
    public static IEnumerable<(int Prompt, int Answer)> Take(int count)
    {
        var all = Read();
        return Enumerable.Range(0, count).Select(i => all[i % all.Length]);
    }

    private static (int, int)[] Read()
    {
        using var stream = typeof(AlpacaLikeLengths).Assembly.GetManifestResourceStream("AlpacaLikeLengths.txt")!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
            .Select(pair => (int.Parse(pair[0], CultureInfo.InvariantCulture), int.Parse(pair[1], CultureInfo.InvariantCulture)))];
    }
}
