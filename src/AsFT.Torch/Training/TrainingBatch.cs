using AsFT.Torch.Chat;

namespace AsFT.Torch.Training;

/// <summary>Examples of one forward pass, padded on the right to the longest; on the host, so that a background thread can make it.</summary>
/// <param name="Rows">Numbers of the examples, N of them.</param>
/// <param name="Width">Tokens per row with padding, T.</param>
/// <param name="Ids">Token ids, N·T row by row.</param>
/// <param name="Predictors">Flat positions in N·T whose hidden state predicts a supervised token, S of them.</param>
/// <param name="Labels">The supervised tokens, S of them.</param>
/// <param name="TokenCount">Real tokens.</param>
internal sealed record TrainingBatch(int[] Rows, int Width, long[] Ids, long[] Predictors, long[] Labels, int TokenCount)
{
    public static TrainingBatch Create(IReadOnlyList<TokenizedExample> examples, int[] rows)
    {
        var width = rows.Max(row => examples[row].Ids.Length);
        var ids = new long[rows.Length * width];
        var supervised = rows.Sum(row => SupervisedCount(examples[row]));
        var (predictors, labels) = (new long[supervised], new long[supervised]);
        var (next, tokens) = (0, 0);
        for (var n = 0; n < rows.Length; n++)
        {
            var example = examples[rows[n]];
            tokens += example.Ids.Length;
            for (var t = 0; t < example.Ids.Length; t++)
            {
                ids[n * width + t] = example.Ids[t];
                // The first token has no predecessor that could predict it.
                if (t == 0 || !example.Supervised[t]) continue;
                predictors[next] = n * width + t - 1;
                labels[next++] = example.Ids[t];
            }
        }
        return new(rows, width, ids, predictors, labels, tokens);
    }

    /// <summary>Tokens of an example that are trained on.</summary>
    public static int SupervisedCount(TokenizedExample example)
    {
        var count = 0;
        for (var t = 1; t < example.Ids.Length; t++) if (example.Supervised[t]) count++;
        return count;
    }
}
