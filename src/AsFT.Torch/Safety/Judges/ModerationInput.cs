using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Safety.Judges;

/// <summary>Which part of a conversation a moderation model reads when the whole is too long for it.</summary>
public enum ModerationTruncation
{
    /// <summary>The first tokens; the end of the answer, EOS included, is lost. What the published code does.</summary>
    KeepStart,

    /// <summary>The last tokens, behind BOS; the start of the prompt is lost.</summary>
    KeepEnd,
}

/// <summary>A conversation in the form beaver-dam-7b was trained on (PKU-Alignment/beavertails), as token ids.</summary>
internal static class ModerationInput
{
    /// <summary>Encodes <c>BEGINNING OF CONVERSATION: USER: {prompt} ASSISTANT:{answer}</c>, BOS before it where the tokenizer adds one, EOS behind it.</summary>
    /// <returns>The ids, whether any token of the answer is among them (true for an empty answer), and whether tokens were cut off.</returns>
    public static (int[] Ids, bool HasAnswer, bool IsCut) Encode(LanguageTokenizer tokenizer, PromptAnswer pair, int maxLength, ModerationTruncation truncation)
    {
        var before = $"BEGINNING OF CONVERSATION: USER: {pair.Prompt} ASSISTANT:";
        var text = before + pair.Answer;
        var ids = new List<int>();
        if (tokenizer is { AddBos: true, BosId: { } bos }) ids.Add(bos);
        var front = ids.Count;
        ids.AddRange(tokenizer.Encode(text));
        if (tokenizer.EosIds.Count > 0) ids.Add(tokenizer.EosIds[0]);
        if (ids.Count <= maxLength) return ([.. ids], true, false);
        // Of a pair that is too long, the end is always the answer's.
        if (truncation == ModerationTruncation.KeepEnd) return ([.. ids.Take(front), .. ids.Skip(ids.Count - (maxLength - front))], true, true);
        tokenizer.Encode(text, out var ends);
        return ([.. ids.Take(maxLength)], ends[maxLength - front - 1] > before.Length, true);
    }

    /// <summary>Lays token ids of different length side by side, padded on the right with 0: no real token sees padding.</summary>
    public static (long[] Ids, long[] Lengths, int Width) Pad(IReadOnlyList<int[]> rows)
    {
        var width = rows.Max(r => r.Length);
        var ids = new long[rows.Count * width];
        for (var row = 0; row < rows.Count; row++)
            for (var i = 0; i < rows[row].Length; i++) ids[row * width + i] = rows[row][i];
        return (ids, [.. rows.Select(r => (long)r.Length)], width);
    }
}
