using AsFT.Torch.Chat;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models.Families;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;

namespace AsFT.Torch.Tests.Chat;

/// <summary>Where a model's template comes from, and what of a conversation is learnt with it.</summary>
public sealed class ChatTemplatesTests : IDisposable
{
    // As templates of models that think have it: marks of the template's own, thoughts kept in the last answer alone.
    private const string Thinking = """
        {%- for m in messages %}
        {{- '<|im_start|>' + m.role + '\n' }}
        {%- if m.role == 'assistant' and '</think>' in m.content %}
        {%- set thought = m.content.split('</think>')[0].split('<think>')[-1].strip('\n') %}{% set answer = m.content.split('</think>')[-1].lstrip('\n') %}
        {%- if loop.last %}{{ '<think>\n' + thought + '\n</think>\n\n' + answer }}{% else %}{{ answer }}{% endif %}
        {%- else %}{{ ('<think>\n\n</think>\n\n' if m.role == 'assistant' and loop.last) ~ m.content }}{% endif %}
        {{- '<|im_end|>\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
        """;

    private const string Marked = """
        {%- for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.role + ': ' + m.content + '<|im_end|>' }}{% endif %}{% endfor %}
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly LanguageTokenizer _tokenizer;

    public ChatTemplatesTests()
    {
        using (var family = FamilyFolder.Open("qwen2"))
            foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json" })
                File.WriteAllText(_folder[file], File.ReadAllText(Path.Combine(family["aligned"], file)).Replace("<|im_s|>", "<|im_start|>", StringComparison.Ordinal).Replace("<|im_e|>", "<|im_end|>", StringComparison.Ordinal));
        _tokenizer = LanguageTokenizer.Load(_folder.Path);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_without_a_template_is_refused_with_the_names_that_there_are()
    {
        using var folder = new TemporaryFolder();
        var message = Assert.Throws<ArgumentException>(() => ChatTemplates.Load(folder.Path)).Message;
        Assert.Contains(folder.Path, message, StringComparison.Ordinal);
        Assert.All(ChatTemplates.Names, name => Assert.Contains(name, message, StringComparison.Ordinal));
        Assert.Equal("chatml", ChatTemplates.Load(folder.Path, "chatml").Name);
        File.WriteAllText(folder["tokenizer_config.json"], """{"chat_template":[{"name":"rag","template":"x"}]}""");
        Assert.Contains(", rag.", Assert.Throws<ArgumentException>(() => ChatTemplates.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Thinking, SupervisedTurns.All, "Ho.<|im_end|>", "<think>\nhm\n</think>\n\nYes.<|im_end|>")]
    [InlineData(Thinking, SupervisedTurns.Last, "<think>\nhm\n</think>\n\nYes.<|im_end|>")]
    [InlineData(Marked, SupervisedTurns.Last, "<think>\nhm\n</think>\n\nYes.<|im_end|>")]
    public void Thoughts_are_learnt_where_the_template_writes_them(string template, SupervisedTurns turns, params string[] learnt) =>
        Assert.Equal(learnt, Learnt(template, turns, ("user", "Hi"), ("assistant", "<think>\nok\n</think>\n\nHo."), ("user", "Well?"), ("assistant", "<think>\nhm\n</think>\n\nYes.")));

    [Fact]
    public void An_empty_thought_that_the_template_writes_is_not_learnt() => Assert.Equal(["Yes.<|im_end|>"], Learnt(Thinking, SupervisedTurns.All, ("user", "Hi"), ("assistant", "Yes.")));

    [Theory]
    [InlineData(SupervisedTurns.All, "Ho.<|im_end|>", "Yes.<|im_end|>")]
    [InlineData(SupervisedTurns.Last, "Yes.<|im_end|>")]
    public void All_answers_are_learnt_or_the_last(SupervisedTurns turns, params string[] learnt)
    {
        foreach (var template in new[] { ChatTemplate(Marked), ChatTemplates.Load(_folder.Path, "chatml") })
            Assert.Equal(learnt, Learnt(template, turns, ("system", "Be kind."), ("user", "Hi"), ("assistant", "Ho."), ("user", "Well?"), ("assistant", "Yes.")));
    }

    [Theory]
    [InlineData("{{ messages[-1].content + '<|im_end|>' }}", "leaves out the system message", true)]
    [InlineData("{{ raise_exception('no system') if messages[0].role == 'system' }}{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}", "refuses the system message of the conversation (system, user, assistant): no system", true)]
    [InlineData("{{ raise_exception('nothing') }}", "refuses the conversation (system, user, assistant): nothing", false)]
    [InlineData("{{ messages[0].content + messages[2].content + '<|im_end|>' }}", "leaves out what the user says, message 2", false)]
    [InlineData("{% for m in messages %}{{ m.content[:2] + '<|im_end|>' }}{% endfor %}", "writes another answer than message 3", false)]
    public void What_a_template_does_not_take_is_told_with_the_row_and_the_column_of_system_messages(string template, string what, bool isOfSystem)
    {
        var sieve = new RowSieve(OverlongRows.Truncate, isStrict: false, "the rows") { SystemPlace = "column 'System'" };
        var message = Assert.Throws<InvalidDataException>(() => sieve.Take(new ChatExample("Hello", "Yes.", "Be kind."), row => ChatTemplate(template).Tokenize(_tokenizer, row))).Message;
        Assert.StartsWith(isOfSystem ? "Row 1 of the rows, column 'System': " : "Row 1 of the rows: ", message, StringComparison.Ordinal);
        Assert.Contains(what, message, StringComparison.Ordinal);
    }

    // The end of a turn where the next one begins, the end of the whole, and none at all.
    [Theory]
    [InlineData("{% for m in messages %}{{ m.content ~ ('<|im_end|>' if not loop.last) }}{% endfor %}", "Yes.<|im_end|>")]
    [InlineData("{% for m in messages %}{{ m.content + '\n' }}{% endfor %}{{ '<|im_end|>' }}", "Yes.\n<|im_end|>")]
    [InlineData("{% for m in messages %}{{ m.content + '\n' }}{% endfor %}", "Yes.<|end|>")]
    public void An_answer_gets_the_end_that_its_template_or_else_its_tokenizer_has(string template, string learnt)
    {
        Assert.Equal([learnt], Learnt(template, SupervisedTurns.All, ("user", "Hi"), ("assistant", "Yes.")));
        if (template.Contains("loop", StringComparison.Ordinal)) return;
        Assert.Equal([learnt], Learnt(template, SupervisedTurns.Last, ("user", "Hi"), ("assistant", "Ho."), ("user", "Well?"), ("assistant", "Yes.")));
        Assert.Contains("learn the last answer alone", Assert.Throws<RefusedConversationException>(() => Learnt(template, SupervisedTurns.All, ("user", "Hi"), ("assistant", "Ho."), ("user", "Well?"), ("assistant", "Yes."))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Templates_of_one_question_refuse_more_turns() =>
        Assert.Contains("1 more turns", Assert.Throws<RefusedConversationException>(() => AsFT.Torch.Chat.ChatTemplate.Alpaca.Tokenize(_tokenizer, new ChatExample("Hi", "Ho.") { Earlier = [new("user", "Well?")] })).Message, StringComparison.Ordinal);

    [Fact]
    public void A_folders_template_is_described()
    {
        using (var folder = new TemporaryFolder()) Assert.Contains("none: name one (llama2", ChatTemplates.Describe(folder.Path, null), StringComparison.Ordinal);
        ChatTemplate(Marked);
        Assert.Equal("chat_template.jinja, answers marked by {% generation %}, ended by <|im_end|>", ChatTemplates.Describe(_folder.Path, _tokenizer));
        ChatTemplate(Thinking);
        Assert.Equal("chat_template.jinja, answers found by where their text goes, ended by <|im_end|>", ChatTemplates.Describe(_folder.Path, _tokenizer));
    }

    private ChatTemplate ChatTemplate(string source)
    {
        File.WriteAllText(_folder["chat_template.jinja"], source);
        return ChatTemplates.Load(_folder.Path);
    }

    private string[] Learnt(string template, SupervisedTurns turns, params (string Role, string Content)[] messages) => Learnt(ChatTemplate(template), turns, messages);

    private string[] Learnt(ChatTemplate template, SupervisedTurns turns, params (string Role, string Content)[] messages)
    {
        var tokens = template.Tokenize(_tokenizer, Conversation.Of([.. messages.Select(message => new ChatMessage(message.Role, message.Content))]).Example! with { Supervised = turns });
        var runs = new List<List<int>>();
        for (var i = 0; i < tokens.Ids.Length; i++)
        {
            if (!tokens.Supervised[i]) continue;
            if (!tokens.Supervised[i - 1]) runs.Add([]);
            runs[^1].Add(tokens.Ids[i]);
        }
        return [.. runs.Select(run => _tokenizer.Decode(run, skipSpecialTokens: false))];
    }
}
