@echo off
rem Installs Siamese Studio from the folder "wheels" beside this file. Needs Python 3.11 or newer and no Internet.
cd /d "%~dp0"
py -3 -c "import sys; sys.exit(sys.version_info < (3, 11))"
if errorlevel 1 (
    echo Python 3.11 or newer is needed: https://www.python.org/downloads/
    exit /b 1
)
if not exist .venv\Scripts\python.exe py -3 -m venv .venv
.venv\Scripts\python.exe -m pip install --no-index --find-links wheels -r requirements.txt
if errorlevel 1 (
    echo The packages in the folder wheels do not fit this computer; START-HERE.txt says what they were made for.
    exit /b 1
)
echo Installed. Start with: .venv\Scripts\python.exe app.py
