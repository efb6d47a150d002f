using AsFT.MLNet.FineTuning;
using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Cli.Answering;

/// <summary>A loaded model that answers prompts, whatever it was loaded from.</summary>
internal abstract class AnsweringModel : IDisposable
{
    /// <summary>Answers prompts, in their order.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="finished">Gets each answer as it ends, with its prompt's place.</param>
    public abstract IReadOnlyList<string> Answer(IReadOnlyList<ChatExample> prompts, Action<int, string>? finished = null);

    /// <summary>Answers so far that had not ended when they had all the tokens they might have.</summary>
    public abstract int CutAnswers { get; }

    public abstract void Dispose();

    /// <summary>A model folder, with or without a PEFT adapter.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="attach">Puts an adapter on the model; null: none.</param>
    /// <param name="template">The chat template.</param>
    /// <param name="generation">How answers are made.</param>
    /// <param name="placement">Where to compute.</param>
    /// <param name="format">How weights are held.</param>
    /// <param name="warn">Told what was cut off prompts.</param>
    /// <param name="cancellationToken">Stops between tokens.</param>
    public static AnsweringModel FromFolder(string folder, Func<CausalLanguageModel, LoraAdapter>? attach, ChatTemplate template, GenerationOptions generation, ComputePlacement placement, WeightFormat format, Action<string> warn, CancellationToken cancellationToken) =>
        new FolderModel(folder, attach, template, generation, placement, format, warn, cancellationToken);

    /// <summary>A saved pipeline.</summary>
    /// <param name="ml">The context.</param>
    /// <param name="file">The model.zip.</param>
    /// <param name="load">Where its model folder lies, where to compute, and what is set anew.</param>
    public static AnsweringModel FromPipeline(MLContext ml, string file, AsftLoadOptions load) => new PipelineModel(ml, file, load);

    /// <summary>Reads answers, which are made batch by batch as they are read.</summary>
    /// <param name="rows">What a fine-tuned transformer gave.</param>
    /// <param name="column">Its output column.</param>
    /// <param name="finished">Gets each answer and its row's place.</param>
    public static IReadOnlyList<string> Read(IDataView rows, string column, Action<int, string>? finished)
    {
        List<string> answers = [];
        foreach (var answer in rows.GetColumn<string>(column))
        {
            finished?.Invoke(answers.Count, answer);
            answers.Add(answer);
        }
        return answers;
    }

    private sealed class FolderModel : AnsweringModel
    {
        private readonly LanguageTokenizer _tokenizer;
        private readonly CausalLanguageModel _model;
        private readonly LoraAdapter? _adapter;
        private readonly ChatTemplate _template;
        private readonly GenerationOptions _options;
        private readonly Action<string> _warn;
        private readonly CancellationToken _cancellationToken;
        private int _cut;

        public FolderModel(string folder, Func<CausalLanguageModel, LoraAdapter>? attach, ChatTemplate template, GenerationOptions options, ComputePlacement placement, WeightFormat format, Action<string> warn, CancellationToken cancellationToken)
        {
            (_template, _options, _warn, _cancellationToken) = (template, options, warn, cancellationToken);
            _tokenizer = LanguageTokenizer.Load(folder);
            _model = CausalLanguageModel.Load(folder, placement, format);
            try
            {
                _adapter = attach?.Invoke(_model);
            }
            catch
            {
                _model.Dispose();
                throw;
            }
        }

        public override IReadOnlyList<string> Answer(IReadOnlyList<ChatExample> prompts, Action<int, string>? finished = null)
        {
            using var threads = _model.UseThreads();
            var ids = FineTunedModel.Encode(_template, _tokenizer, prompts, "its system message", FineTunedModel.PromptLimit(_model.Config.MaxPositions, _options.MaxNewTokens), refuses: false, _warn);
            var answers = new TextGenerator(_model, _tokenizer).Generate(ids, _options, finished is null ? null : (i, answer) => finished(i, answer.Text), _cancellationToken);
            _cut += answers.Count(answer => answer.IsCut);
            return [.. answers.Select(answer => answer.Text)];
        }

        public override int CutAnswers => _cut;

        public override void Dispose()
        {
            _adapter?.Dispose();
            _model.Dispose();
        }
    }

    private sealed class PipelineModel : AnsweringModel
    {
        private readonly MLContext _ml;
        private readonly ITransformer _model;
        private readonly AsftFineTuneTransformer _tuned;
        private readonly Dictionary<string, string> _names = [];
        private readonly bool _takesConversations;

        public PipelineModel(MLContext ml, string file, AsftLoadOptions load)
        {
            _ml = ml;
            AsftFineTuneOptions? saved = null;
            var configure = load.Configure;
            load.Configure = options =>
            {
                saved = options;
                configure?.Invoke(options);
            };
            _model = ml.Model.LoadAsft(file, load, out var input);
            _tuned = Pipelines.FindFineTuned(_model, file);
            // The columns have the names that the pipeline was trained with; where a transform before the fine-tuning
            // makes the prompt out of a column Prompt, that is the one to give.
            if (input?.GetColumnOrNull(nameof(Instruction.Prompt)) is null) _names[nameof(Instruction.Prompt)] = saved!.PromptColumnName;
            if (saved!.ContextColumnName is { } context) _names[nameof(Instruction.Context)] = context;
            if (saved.SystemColumnName is { } system) _names[nameof(Instruction.System)] = system;
            if (saved.MessagesColumnName is { } messages) _names[nameof(Instruction.Messages)] = messages;
            _takesConversations = saved.MessagesColumnName is not null;
        }

        public override IReadOnlyList<string> Answer(IReadOnlyList<ChatExample> prompts, Action<int, string>? finished = null)
        {
            var columns = SchemaDefinition.Create(typeof(Instruction));
            foreach (var (member, name) in _names) columns[member].ColumnName = name;
            // The rows are those of a caller in C#: without what no prompt has. What the pipeline does not read, it warns of.
            var areConversations = prompts.Any(prompt => prompt.HasMoreTurns);
            if (areConversations && !_takesConversations) throw new InvalidDataException("The prompts are conversations of several turns, and this pipeline reads none: it was saved by a version that had no column for them (MessagesColumnName).");
            columns.RemoveAll(column => column.MemberName == nameof(Instruction.Messages) ? !areConversations : column.MemberName == nameof(Instruction.Context) && prompts.All(prompt => string.IsNullOrEmpty(prompt.Context))
                || column.MemberName == nameof(Instruction.System) && prompts.All(prompt => string.IsNullOrEmpty(prompt.System)));
            var rows = _ml.Data.LoadFromEnumerable(prompts.Select(Instruction.Of), columns);
            return Read(_model.Transform(rows), _tuned.OutputColumnName, finished);
        }

        public override int CutAnswers => _tuned.CutAnswers;

        public override void Dispose() => _tuned.Dispose();
    }
}
