using AsFT.MLNet.FineTuning;

namespace AsFT.MLNet.Persistence;

/// <summary>Where a transformer has its model from: memory, after training; or its folder, read when the first answer is asked for.</summary>
internal sealed class ModelSource : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Func<FineTunedModel>? _load;
    private readonly LocatedModel? _located;
    private readonly string? _modelName;
    private FineTunedModel? _model;
    private AdapterFiles? _adapter;
    private ModelReference? _reference;
    private bool _isDisposed;

    /// <summary>A model just trained.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="modelName">What the adapter's configuration names as the model below it.</param>
    public ModelSource(FineTunedModel model, string folder, string modelName)
    {
        _model = model;
        _modelName = modelName;
        Folder = Path.GetFullPath(folder);
    }

    /// <summary>A model to be read.</summary>
    /// <param name="load">Reads it.</param>
    /// <param name="located">Its folder and what is in it; goes with this object.</param>
    /// <param name="adapter">Its adapter; null: none.</param>
    public ModelSource(Func<FineTunedModel> load, LocatedModel located, AdapterFiles? adapter) : this(load, located.Folder, adapter) =>
        (_located, _reference) = (located, located.Reference);

    /// <summary>A model to be read, which was not saved yet.</summary>
    /// <param name="load">Reads it.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="adapter">Its adapter; null: none.</param>
    public ModelSource(Func<FineTunedModel> load, string folder, AdapterFiles? adapter)
    {
        _load = load;
        _adapter = adapter;
        Folder = Path.GetFullPath(folder);
    }

    /// <summary>The model's folder.</summary>
    public string Folder { get; }

    /// <summary>The model; read now if it was not yet.</summary>
    public FineTunedModel Model()
    {
        lock (_lock)
        {
            CheckNotDisposed();
            return _model ??= _load!();
        }
    }

    /// <summary>The adapter's files; null: the model has none.</summary>
    public AdapterFiles? Adapter()
    {
        lock (_lock)
        {
            CheckNotDisposed();
            // Of a model just trained; any other came with its files.
            if (_modelName is not null) _adapter ??= AdapterFiles.Of(_model!.Adapter!, _modelName);
            return _adapter;
        }
    }

    /// <summary>What is in the model's folder; hashes it now if that was not done yet.</summary>
    public ModelReference Reference()
    {
        lock (_lock)
        {
            CheckNotDisposed();
            return _reference ??= ModelReference.Of(Folder);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _model?.Dispose();
            _model = null;
            _located?.Dispose();
        }
    }

    private void CheckNotDisposed()
    {
        if (_isDisposed)
            throw new ObjectDisposedException(nameof(AsftFineTuneTransformer),
                "The transformer was disposed. A PredictionEngine disposes its transformer, unless PredictionEngineOptions.OwnsTransformer is false.");
    }
}
