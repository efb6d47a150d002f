namespace AsFT.Torch.Tokenization;

/// <summary>Byte-pair encoding: of all neighbours that may be merged the pair of least rank goes first, the leftmost of equal ones. n log n in the length of a word.</summary>
internal sealed class BpeMerges
{
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _pairs = [];

    /// <param name="merges">Two tokens and the one they become, in order of rank.</param>
    public BpeMerges(IEnumerable<(int Left, int Right, int Id)> merges)
    {
        int rank = 0;
        foreach ((int left, int right, int id) in merges) _pairs[(left, right)] = (rank++, id);
    }

    /// <summary>Merges until nothing can be merged.</summary>
    /// <param name="symbols">Tokens to start from, each with the number of units of text that it covers.</param>
    /// <returns>What is left of them.</returns>
    public List<(int Id, int Units)> Merge(IReadOnlyList<(int Id, int Units)> symbols)
    {
        var ids = new int[symbols.Count];
        var units = new int[symbols.Count];
        var next = new int[symbols.Count];
        var previous = new int[symbols.Count];
        for (int i = 0; i < symbols.Count; i++)
            ((ids[i], units[i]), next[i], previous[i]) = (symbols[i], i + 1 < symbols.Count ? i + 1 : -1, i - 1);
        var queue = new PriorityQueue<(int Left, int Id), (int Rank, int Left)>();
        for (int i = 0; i + 1 < symbols.Count; i++) Offer(i);
        while (queue.TryDequeue(out (int Left, int Id) best, out _))
        {
            int left = best.Left, right = next[left];
            // Merged away since it was offered, or its neighbour is another by now.
            if (ids[left] < 0 || right < 0 || !_pairs.TryGetValue((ids[left], ids[right]), out (int Rank, int Id) pair) || pair.Id != best.Id) continue;
            ids[left] = pair.Id;
            units[left] += units[right];
            ids[right] = -1;
            next[left] = next[right];
            if (next[right] >= 0) previous[next[right]] = left;
            if (previous[left] >= 0) Offer(previous[left]);
            Offer(left);
        }

        var merged = new List<(int, int)>();
        for (int i = symbols.Count == 0 ? -1 : 0; i >= 0; i = next[i]) merged.Add((ids[i], units[i]));
        return merged;

        void Offer(int left)
        {
            if (next[left] >= 0 && _pairs.TryGetValue((ids[left], ids[next[left]]), out (int Rank, int Id) pair)) queue.Enqueue((left, pair.Id), (pair.Rank, left));
        }
    }
}
