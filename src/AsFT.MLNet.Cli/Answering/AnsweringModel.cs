using AsFT.MLNet.FineTuning;
using AsFT.Torch.Adapters;
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

    public abstract void Dispose();

    /// <summary>A model folder, with or without a PEFT adapter.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="attach">Puts an adapter on the model; null: none.</param>
    /// <param name="template">The chat template.</param>
    /// <param name="generation">How answers are made.</param>
    /// <param name="placement">Where to compute.</param>
    /// <param name="cancellationToken">Stops between tokens.</param>
    public static AnsweringModel FromFolder(string folder, Func<CausalLanguageModel, LoraAdapter>? attach, ChatTemplate template, GenerationOptions generation, ComputePlacement placement, CancellationToken cancellationToken) =>
        new FolderModel(folder, attach, template, generation, placement, cancellationToken);

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
        private readonly CancellationToken _cancellationToken;

        public FolderModel(string folder, Func<CausalLanguageModel, LoraAdapter>? attach, ChatTemplate template, GenerationOptions options, ComputePlacement placement, CancellationToken cancellationToken)
        {
            (_template, _options, _cancellationToken) = (template, options, cancellationToken);
            _tokenizer = LanguageTokenizer.Load(folder);
            _model = CausalLanguageModel.Load(folder, placement);
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
            using var threads = ComputeThreads.For(_model);
            var limit = FineTunedModel.PromptLimit(_model.Config.MaxPositions, _options.MaxNewTokens);
            var ids = prompts.Select(prompt => _template.TokenizePrompt(_tokenizer, prompt, limit)).ToList();
            return [.. new TextGenerator(_model, _tokenizer).Generate(ids, _options, finished is null ? null : (i, answer) => finished(i, answer.Text), _cancellationToken)
                .Select(answer => answer.Text)];
        }

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
        private readonly SchemaDefinition _columns = SchemaDefinition.Create(typeof(Instruction));

        public PipelineModel(MLContext ml, string file, AsftLoadOptions load)
        {
            _ml = ml;
            AsftFineTuneOptions? saved = null;
            var configure = load.Configure;
            load.Configure = options =>
            {
                saved = options;
                // A pipeline that was trained without these columns can still be asked with them.
                options.ContextColumnName ??= Pipelines.ContextColumn;
                options.SystemColumnName ??= Pipelines.SystemColumn;
                configure?.Invoke(options);
            };
            _model = ml.Model.LoadAsft(file, load, out var input);
            _tuned = Pipelines.FindFineTuned(_model, file);
            // The columns have the names that the pipeline was trained with; where a transform before the fine-tuning
            // makes the prompt out of a column Prompt, that is the one to give.
            if (input?.GetColumnOrNull(nameof(Instruction.Prompt)) is null) Rename(nameof(Instruction.Prompt), saved!.PromptColumnName);
            Rename(nameof(Instruction.Context), saved!.ContextColumnName);
            Rename(nameof(Instruction.System), saved.SystemColumnName);
        }

        public override IReadOnlyList<string> Answer(IReadOnlyList<ChatExample> prompts, Action<int, string>? finished = null)
        {
            var rows = _ml.Data.LoadFromEnumerable(prompts.Select(Instruction.Of), _columns);
            return Read(_model.Transform(rows), _tuned.OutputColumnName, finished);
        }

        public override void Dispose() => _tuned.Dispose();

        private void Rename(string member, string? name)
        {
            if (name is not null) _columns[member].ColumnName = name;
        }
    }
}
