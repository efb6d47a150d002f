using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AsFT.Torch.Chat;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Chat;

/// <summary>What is learnt of a conversation with each real chat template; where the folder of ASFT_REFERENCE holds them.</summary>
[Trait("Category", "Goldens")]
public sealed partial class RealTemplateTests
{
    private static readonly string ByteLevel = Path.Combine(TestData.Root, "tokenizers", "byte-level");

    [Fact]
    public void What_is_learnt_is_each_answer_and_the_token_that_ends_it_and_nothing_else()
    {
        using var document = Reference.Json("real", "goldens", "chat", "cases.json");
        var templates = document.RootElement.GetProperty("templates").EnumerateObject().ToDictionary(template => template.Name, template => Load(template.Value));
        var (wrong, refused, learnt) = (new List<string>(), new List<string>(), 0);
        foreach (var test in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            ChatMessage[] messages = [.. test.GetProperty("messages").EnumerateArray().Select(message => new ChatMessage(message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!))];
            if (Conversation.Of(messages).Example is not { } example || string.IsNullOrWhiteSpace(example.Response)) continue;
            var name = $"{test.GetProperty("template")} / {test.GetProperty("conversation")}";
            var (template, tokenizer) = templates[test.GetProperty("template").GetString()!];
            foreach (var turns in Enum.GetValues<SupervisedTurns>())
            {
                TokenizedExample tokens;
                try
                {
                    tokens = template.Tokenize(tokenizer, example with { Supervised = turns });
                }
                catch (RefusedConversationException e)
                {
                    if (test.GetProperty("error").ValueKind == JsonValueKind.Null) refused.Add($"{name}: {e.Message}");
                    continue;
                }
                learnt++;
                var answers = messages.Where(message => message.Role == ChatMessage.AssistantRole).ToArray();
                if (turns == SupervisedTurns.Last) answers = answers[^1..];
                if (Difference(tokenizer, tokens, answers) is { } difference) wrong.Add($"{name}, {turns}: {difference}");
            }
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{learnt} conversations learnt, {refused.Count} refused:\n{string.Join('\n', refused.Distinct())}");
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {learnt} differ:\n{string.Join('\n', wrong.Take(20))}");
        Assert.True(learnt > 600, $"{learnt}");
        // What is refused, though it renders: where a template leaves the system message out, and answers before the last that nothing ends.
        Assert.All(refused, refusal => Assert.True(refusal.Contains("leaves out the system message", StringComparison.Ordinal) || refusal.Contains("learn the last answer alone", StringComparison.Ordinal), refusal));
    }

    private static string? Difference(LanguageTokenizer tokenizer, TokenizedExample tokens, ChatMessage[] answers)
    {
        var specials = tokenizer.AllSpecialTokens.Select(token => token.Id).ToHashSet();
        var runs = new List<List<int>>();
        for (var i = 0; i < tokens.Ids.Length; i++)
        {
            if (!tokens.Supervised[i]) continue;
            if (i == 0 || !tokens.Supervised[i - 1] || specials.Contains(tokens.Ids[i - 1])) runs.Add([]);
            runs[^1].Add(tokens.Ids[i]);
        }
        if (runs.Count != answers.Length) return $"{runs.Count} answers are learnt instead of {answers.Length}";
        for (var i = 0; i < runs.Count; i++)
        {
            if (!specials.Contains(runs[i][^1]) || runs[i].SkipLast(1).Any(specials.Contains)) return $"answer {i + 1} is not ended by its first special token: '{tokenizer.Decode(runs[i], skipSpecialTokens: false)}'";
            var (text, said) = (tokenizer.Decode(runs[i].SkipLast(1), skipSpecialTokens: false), answers[i].Content);
            // Thoughts are left out of earlier answers.
            if (Bare(text) != Bare(said) && !(i < runs.Count - 1 && said.StartsWith("<think>", StringComparison.Ordinal) && Bare(said).EndsWith(Bare(text), StringComparison.Ordinal)))
                return $"'{text}' is learnt instead of '{said}'";
        }
        return null;
    }

    private static string Bare(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c)));

    // A byte-level tokenizer that knows the template's own special tokens, as that of its model does.
    private static (ChatTemplate Template, LanguageTokenizer Tokenizer) Load(JsonElement template)
    {
        using var folder = new TemporaryFolder();
        var (source, bos, eos) = (template.GetProperty("template").GetString()!, template.GetProperty("bos_token").GetString()!, template.GetProperty("eos_token").GetString()!);
        var tokenizer = JsonNode.Parse(File.ReadAllText(Path.Combine(ByteLevel, "tokenizer.json")))!;
        var added = tokenizer["added_tokens"]!.AsArray();
        var known = added.Select(token => (string)token!["content"]!).ToHashSet();
        var next = tokenizer["model"]!["vocab"]!.AsObject().Max(token => (int)token.Value!) + 1000;
        foreach (var text in SpecialToken().Matches(source).Select(match => match.Value).Append(bos).Append(eos).Distinct())
            if (text.Length > 0 && known.Add(text))
                added.Add(new JsonObject { ["id"] = next++, ["content"] = text, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true });
        File.WriteAllText(folder["tokenizer.json"], tokenizer.ToJsonString());
        File.WriteAllText(folder["tokenizer_config.json"], new JsonObject { ["bos_token"] = bos, ["eos_token"] = eos, ["chat_template"] = source }.ToJsonString());
        return (ChatTemplates.Load(folder.Path), LanguageTokenizer.Load(folder.Path));
    }

    [GeneratedRegex(@"<\|[^<>|]+\|>|<｜[^<>｜]+｜>|</?s>|<(?:start|end)_of_turn>|<im_(?:start|end)>|<step>|<(?:BOS|EOS)_TOKEN>")]
    private static partial Regex SpecialToken();
}
