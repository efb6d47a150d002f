using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;

namespace AsFT.Lab.World;

/// <summary>A byte-level BPE whose merges make every word of the world one token, written in Hugging Face's layout.</summary>
internal static class WorldTokenizer
{
    public const string Bos = "<s>";
    public const string Eos = "</s>";
    public const string Pad = "<pad>";

    /// <summary>Words with the space before them; the marks of the chat template whole, so that a turn costs two tokens.</summary>
    public const string Pattern = @" ?\[/?INST\]| ?\p{L}+(?:'\p{L}+)?| ?[^\s\p{L}]|\s+";

    // Llama-2's format, as its own template has it.
    private const string Template = """
        {%- if messages[0]['role'] == 'system' %}{% set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}
        {%- for message in turns %}
        {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Turns must alternate between user and assistant.') }}{% endif %}
        {%- if message['role'] == 'user' %}{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] | trim + ' [/INST]' }}
        {%- else %}{{ ' ' + message['content'] | trim + ' ' + eos_token }}{% endif %}
        {%- endfor %}
        """;

    /// <summary>Learns merges until each word of the texts is one token (Sennrich et al., arXiv 1508.07909).</summary>
    /// <returns>Tokens in order of their ids, special tokens first; and the merges in order.</returns>
    public static (IReadOnlyList<string> Tokens, IReadOnlyList<(string Left, string Right)> Merges) Learn(IEnumerable<string> texts)
    {
        string[] alphabet = [.. Enumerable.Range(0, 256).Select(b => $"{ByteAlphabet.Character(b)}")];
        var words = texts.SelectMany(text => Regex.Matches(text, Pattern).Select(m => m.Value)).Distinct().Order(StringComparer.Ordinal)
            .Select(word => Encoding.UTF8.GetBytes(word).Select(b => alphabet[b]).ToList()).ToList();
        var tokens = new List<string> { Pad, Bos, Eos };
        tokens.AddRange(alphabet.Order(StringComparer.Ordinal));
        var merges = new List<(string, string)>();
        while (MostFrequentPair(words) is { } pair)
        {
            merges.Add(pair);
            // Two paths may lead to one token.
            if (!tokens.Contains(pair.Left + pair.Right)) tokens.Add(pair.Left + pair.Right);
            foreach (var word in words) Merge(word, pair);
        }
        return (tokens, merges);
    }

    /// <summary>Writes <c>tokenizer.json</c>, <c>tokenizer_config.json</c> and <c>chat_template.jinja</c>.</summary>
    public static void Save(string folder, IReadOnlyList<string> tokens, IReadOnlyList<(string Left, string Right)> merges)
    {
        object Special(string content, int id) => new { id, content, single_word = false, lstrip = false, rstrip = false, normalized = false, special = true };
        var tokenizer = new
        {
            version = "1.0",
            added_tokens = new[] { Special(Pad, 0), Special(Bos, 1), Special(Eos, 2) },
            normalizer = (object?)null,
            pre_tokenizer = new
            {
                type = "Sequence",
                pretokenizers = new object[]
                {
                    new { type = "Split", pattern = new { Regex = Pattern }, behavior = "Isolated", invert = false },
                    new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = false },
                },
            },
            post_processor = (object?)null,
            decoder = new { type = "ByteLevel", add_prefix_space = true, trim_offsets = true, use_regex = true },
            model = new
            {
                type = "BPE",
                dropout = (double?)null,
                unk_token = (string?)null,
                fuse_unk = false,
                byte_fallback = false,
                vocab = tokens.Select((token, id) => (token, id)).ToDictionary(t => t.token, t => t.id),
                merges = merges.Select(m => $"{m.Left} {m.Right}"),
            },
        };
        var config = new
        {
            tokenizer_class = "PreTrainedTokenizerFast",
            bos_token = Bos,
            eos_token = Eos,
            pad_token = Pad,
            add_bos_token = true,
            add_eos_token = false,
            clean_up_tokenization_spaces = false,
        };
        Write("tokenizer.json", tokenizer);
        Write("tokenizer_config.json", config);
        AtomicOutput.WriteFile(Path.Combine(folder, "chat_template.jinja"), path => File.WriteAllText(path, Template.ReplaceLineEndings("\n")));

        void Write(string file, object content) =>
            AtomicOutput.WriteFile(Path.Combine(folder, file), path => File.WriteAllText(path, JsonSerializer.Serialize(content)));
    }

    private static (string Left, string Right)? MostFrequentPair(List<List<string>> words)
    {
        var counts = new Dictionary<(string, string), int>();
        foreach (var word in words)
            for (var i = 1; i < word.Count; i++)
            {
                var pair = (word[i - 1], word[i]);
                counts[pair] = counts.GetValueOrDefault(pair) + 1;
            }
        if (counts.Count == 0) return null;
        return counts.OrderByDescending(c => c.Value).ThenBy(c => c.Key.Item1, StringComparer.Ordinal).ThenBy(c => c.Key.Item2, StringComparer.Ordinal).First().Key;
    }

    private static void Merge(List<string> word, (string Left, string Right) pair)
    {
        for (var i = 1; i < word.Count; i++)
            if (word[i - 1] == pair.Left && word[i] == pair.Right)
            {
                word[i - 1] += word[i];
                word.RemoveAt(i);
            }
    }
}
