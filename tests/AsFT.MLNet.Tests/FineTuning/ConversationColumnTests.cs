using AsFT.MLNet.FineTuning;
using AsFT.Torch.Chat;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests.FineTuning;

/// <summary>Whole conversations as rows: from files, from a column, learnt and answered.</summary>
public sealed class ConversationColumnTests : IDisposable
{
    private const string Turns = """
        {"messages":[{"role":"user","content":"Who is Lily?"},{"role":"assistant","content":"A girl."},{"role":"user","content":"What does she like?"},{"role":"assistant","content":"She likes to play."}]}
        {"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"What did Tom see?"},{"role":"assistant","content":"Tom saw a red ball."}]}
        """;

    private readonly MLContext _context = new(seed: 1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_of_conversations_fills_the_column_of_messages_and_its_last_question_and_answer()
    {
        var rows = Load(Turns);
        Assert.Equal(["Prompt", "Response", "Messages"], rows.Schema.Select(column => column.Name));
        Assert.Equal(["What does she like?", "What did Tom see?"], rows.GetColumn<string>("Prompt"));
        Assert.Equal(["She likes to play.", "Tom saw a red ball."], rows.GetColumn<string>("Response"));
        Assert.Equal("""[{"role":"system","content":"Be kind."},{"role":"user","content":"What did Tom see?"},{"role":"assistant","content":"Tom saw a red ball."}]""", rows.GetColumn<string>("Messages").Last());
    }

    [Fact]
    public void All_answers_are_learnt_or_the_last_and_a_loaded_model_answers_conversations()
    {
        var rows = Load(Turns);
        var all = Fit(rows, null, out var supervised);
        using var last = Fit(rows, o => o.SupervisedTurns = SupervisedTurns.Last, out var supervisedLast);
        Assert.True(supervisedLast < supervised, $"{supervisedLast} of {supervised}");
        using (all)
        {
            _context.Model.SaveAsft(all, rows.Schema, _folder.File("model.zip"));
            using var loaded = (IDisposable)_context.Model.LoadAsft(_folder.File("model.zip"), out _);
            Assert.Equal(all.Transform(rows).GetColumn<string>("GeneratedText"), ((ITransformer)loaded).Transform(rows).GetColumn<string>("GeneratedText"));
        }
    }

    [Fact]
    public void What_is_no_conversation_is_named_with_row_and_column_and_what_cannot_be_learnt_is_counted()
    {
        var rows = _context.Data.LoadFromEnumerable(new[]
        {
            """[{"from":"human","value":"Who is Lily?"},{"from":"gpt","value":"A girl."}]""",
            """[{"role":"user","content":"a"},{"role":"tool","content":"b"}]""",
            """[{"role":"user","content":"a"}]""",
            "",
        }.Select(messages => new { Messages = messages }));
        using (var model = Fit(rows, null, out _))
        {
            var counts = model.TrainingResult!.Rows!;
            Assert.Equal((4, 1, 2, 2, 1), (counts.Read, counts.Used, counts.Unusable, counts.FirstUnusable, counts.Empty));
            Assert.Contains("one of a tool", counts.WhyUnusable, StringComparison.Ordinal);
            Assert.Contains("cannot be answered", Assert.ThrowsAny<Exception>(() => model.Transform(rows).GetColumn<string>("GeneratedText").ToArray()).ToString(), StringComparison.Ordinal);
        }
        Assert.Contains("Row 2 of the training data has nothing to learn: turn 2 is one of a tool", Refusal(rows, o => o.StrictRows = true), StringComparison.Ordinal);
        var wrong = _context.Data.LoadFromEnumerable(new[] { new { Talk = """[{"role":"robot","content":"a"}]""" } });
        Assert.Contains("Row 1 of the training data, column 'Talk': turn 1 is said by 'robot'", Refusal(wrong, o => o.MessagesColumnName = "Talk"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_system_text_that_the_template_refuses_is_told_with_its_column_and_row()
    {
        var rows = _context.Data.LoadFromEnumerable(new[] { new { Prompt = "Who is Lily?", Response = "A girl.", System = "" }, new { Prompt = "Who is Tom?", Response = "A boy.", System = "Be kind." } });
        var message = Refusal(rows, o => o.AlignedModelPath = Strict());
        Assert.StartsWith("Row 2 of the training data, column 'System': The chat template in ", message, StringComparison.Ordinal);
        Assert.EndsWith("refuses the system message of the conversation (system, user, assistant): System role not supported", message, StringComparison.Ordinal);
    }

    // The model with a template that takes no system message, as Gemma's.
    private string Strict()
    {
        var folder = _folder.File("strict");
        Directory.CreateDirectory(folder);
        foreach (var file in Directory.EnumerateFiles(Pipelines.Aligned)) System.IO.File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        System.IO.File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "{{ raise_exception('System role not supported') if messages[0].role == 'system' }}{% for m in messages %}{{ m.content + '</s>' }}{% endfor %}");
        return folder;
    }

    private IDataView Load(string content) => _context.Data.LoadFromInstructionFile(_folder.Write("rows.jsonl", content));

    private AsftFineTuneTransformer Fit(IDataView rows, Action<AsftFineTuneOptions>? change, out long supervised)
    {
        var options = Options(change);
        var model = _context.Transforms.AsftFineTune(options).Fit(rows);
        supervised = TrainingRows.Read(rows, "the rows", options, example => ChatTemplates.Load(options.AlignedModelPath!).Tokenize(AsFT.Torch.Tokenization.LanguageTokenizer.Load(options.AlignedModelPath!), example), () => { }, isTraining: true)
            .Examples.Sum(example => (long)example.SupervisedCount);
        return model;
    }

    private string Refusal(IDataView rows, Action<AsftFineTuneOptions> change) => Assert.Throws<InvalidDataException>(() => _context.Transforms.AsftFineTune(Options(change)).Fit(rows)).Message;

    private static AsftFineTuneOptions Options(Action<AsftFineTuneOptions>? change) => Pipelines.Options(options =>
    {
        (options.Template, options.Lambda, options.BaseModelPath) = (ChatTemplates.Auto, 0, null);
        change?.Invoke(options);
    });
}
